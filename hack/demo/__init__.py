"""The demo: the seed's scenario on one machine, through the production services."""
