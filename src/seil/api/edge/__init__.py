"""The public side: tokens, validation, the envelope, and dispatch to the services."""
