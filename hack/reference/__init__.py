"""Makes docs/reference from the code: HTTP APIs, custom resource, metrics, settings."""
