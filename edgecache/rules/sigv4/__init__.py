"""AWS SigV4."""
