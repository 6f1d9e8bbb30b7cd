"""What accelerators there are, where our pods may run, and how much of that is free for them."""

from inferno_collector.inventory.counting import Inventory, staying_pods, take_inventory

__all__ = ["Inventory", "staying_pods", "take_inventory"]
