"""Gathers inventory, SLO classes, accelerator costs and load into snapshots."""
