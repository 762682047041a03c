"""A stand-in for Google Ad Manager: REST and SOAP over real HTTP, with a network's data in it."""
