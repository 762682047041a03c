"""The API's HTTP/1.1 server: uvicorn, with limits for connections that it does not have."""
