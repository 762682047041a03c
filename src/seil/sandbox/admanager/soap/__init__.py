"""What the SOAP API of Ad Manager answers, strict by its WSDL."""
