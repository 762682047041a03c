"""The stand-in for Cognito: issues the access tokens of `seil serve --sandbox`."""
