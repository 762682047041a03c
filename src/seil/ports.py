"""The default ports of the API and the sandbox servers."""

API_PORT = 8730
SANDBOX_PORT = 8733
ADMANAGER_PORT = 8734
TECHONE_PORT = 8735
