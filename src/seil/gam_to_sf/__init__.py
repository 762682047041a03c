"""Delivery reporting: statuses and delivered impressions of Google Ad Manager into Salesforce."""
