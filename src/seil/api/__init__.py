"""The HTTP API: a public edge, and a service for each system behind it."""
