"""The library that the three services share: wire contracts, Kubernetes access, service kit.

It imports no service. Import from the packages below; this module re-exports only the version.
"""

from inferno_shared.version import __version__

__all__ = ["__version__"]
