"""Writing into the org: collections for few rows, Bulk API 2.0 ingest jobs for many."""
