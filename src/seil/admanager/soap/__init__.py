"""Ad Manager's SOAP API: proposals, their line items, forecasts, which REST lacks."""
