"""What the engines share, as SQL: DuckDB, PostgreSQL and Spark with Iceberg."""
