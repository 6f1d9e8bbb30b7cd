"""A Kubernetes cluster in one process: API in memory, controllers and kubelet that start real programs.

It exists so that the whole product runs, and is tested, on a laptop with nothing but Python.
"""
