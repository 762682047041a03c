"""The API's HTTP/1.1 server: uvicorn, with the connection limits that it lacks."""
