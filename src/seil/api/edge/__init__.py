"""What callers meet: tokens, validation, the envelope, and the way to the services."""
