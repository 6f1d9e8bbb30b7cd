"""The load generator: when to send (plan), one request (client), all of them (open_loop), what came of it."""
