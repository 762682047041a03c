"""DuckDB, in a file on this machine."""
