"""What is looked at before a release: versions, wheels, licences, vulnerabilities (docs/releasing.md)."""
