"""What only AWS needs."""
