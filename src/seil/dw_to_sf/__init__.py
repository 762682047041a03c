"""What the warehouse knows, back into Salesforce: planned, seen, applied, undone."""
