"""A stand-in for TechOne: tokens, the rate, debtors' credit, the warehouse's SOAP import."""
