"""What engines that speak SQL in one transaction share: DuckDB and PostgreSQL."""
