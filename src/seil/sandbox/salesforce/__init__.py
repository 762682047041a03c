"""A stand-in Salesforce org: its data in a file, its API over HTTP."""
