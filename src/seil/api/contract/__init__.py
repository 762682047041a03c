"""The contract: operations with their requests and answers, and the envelope."""
