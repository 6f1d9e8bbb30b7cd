"""Ways to act on a decision: through an HPA, directly, or not at all; and whether that can work."""
