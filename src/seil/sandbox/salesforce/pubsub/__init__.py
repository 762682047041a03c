"""The stand-in's Pub/Sub API: the events of the org, over gRPC."""
