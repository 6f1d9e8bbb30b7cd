"""Turns a snapshot into the cheapest plan that keeps every SLO."""
