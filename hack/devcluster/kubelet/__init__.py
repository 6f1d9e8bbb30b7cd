"""A scheduler and a kubelet whose containers are vLLM emulators; they speak only the Kubernetes API."""
