"""A service per system: it holds the credentials and calls the far end."""
