"""What a test can do to the server: faults and access rules."""
