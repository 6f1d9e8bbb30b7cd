"""Builds the programs of the real control plane."""
