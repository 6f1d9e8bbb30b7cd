"""Owns the loop: snapshot, plan, status, desired-replicas metric."""
