"""Ad Manager's SOAP API, validated with its WSDL."""
