"""The ways to say a change: JSON patch, merge patch, strategic merge, server-side apply."""
