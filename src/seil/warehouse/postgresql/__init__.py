"""The warehouse in a PostgreSQL database: schemas of it, written in transactions."""
