"""Iceberg tables that others read: written without a JVM, changed by row deltas.

The embedded DuckDB finds the rows that leave and writes the Parquet files; pyiceberg writes the
manifests and commits. A snapshot carries the id of its commit (`seil.commit`) and the version of
the table's rows (`seil.version`), so that a repeat changes nothing. Format version 2,
unpartitioned, merge-on-read.
"""

# In a folder of published tables.
CATALOG_FILE = "catalog.sqlite"
