"""Requests that end at another server: aggregated APIs, kubelets, pods."""
