"""Google Ad Manager: REST and SOAP behind one set of operations."""
