"""Measures a model server and fits the profile that a VariantAutoscaling needs (docs/profiles.md)."""
