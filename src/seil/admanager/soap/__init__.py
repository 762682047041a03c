"""Ad Manager's SOAP API: what REST does not have. Proposals, their line items, forecasts."""
