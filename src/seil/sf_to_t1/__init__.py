"""Billing: CSV files of the org into a table of TechOne's warehouse, each row exactly once."""
