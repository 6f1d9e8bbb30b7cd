"""What makes a Service reachable: one port here, spread over the ready pods behind it."""
