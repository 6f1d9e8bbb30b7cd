"""A vLLM server without a GPU: its HTTP API, its metrics and its timing, to try autoscaling on a laptop."""
