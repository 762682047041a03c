"""Salesforce ETL Integration Layer."""

__version__ = "0.1.0"
