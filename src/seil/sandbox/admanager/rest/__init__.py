"""What the REST API of Ad Manager answers, strict by the official client's own types."""
