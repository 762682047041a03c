"""Reverse ETL: the result of a warehouse query, planned, applied to Salesforce, and undone."""
