"""The `seil` command: parses, calls, prints."""
