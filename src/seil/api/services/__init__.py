"""One service a system: it holds the credentials and makes the external call."""
