"""The HTTP API: an edge that callers meet, and a service for each system behind it."""
