"""The Pub/Sub API: platform events and change events over gRPC.

https://developer.salesforce.com/docs/platform/pub-sub-api/guide/intro.html
"""
