"""Ad Manager's REST API: orders, line items, buyers, reports."""
