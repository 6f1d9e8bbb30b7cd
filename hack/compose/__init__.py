"""The two jobs of compose.yaml: certificates before the control plane starts, manifests once it is up."""
