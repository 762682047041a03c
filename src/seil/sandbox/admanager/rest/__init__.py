"""Ad Manager's REST API, validated with the official client's types."""
