"""Spark, with tables in Iceberg."""
