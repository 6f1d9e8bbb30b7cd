"""The controllers that Kubernetes itself brings: Deployments, ReplicaSets, autoscalers, clean-up."""
