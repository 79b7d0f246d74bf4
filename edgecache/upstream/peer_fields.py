"""The fields tiers tell each other. Law: none of them ever comes from a viewer or reaches one."""

from __future__ import annotations

PREFIX = b"edgecache-"
CREDENTIAL = b"edgecache-peer"  # proves that a request comes from a tier of this installation
DISTRIBUTION = b"edgecache-distribution"  # the id of the distribution the edge routed to
SCHEME = b"edgecache-scheme"  # the viewer's: http or https
CLIENT = b"edgecache-client"  # the viewer's address, for X-Forwarded-For
RESULT = b"edgecache-result"  # how the inner tier came by its response
FAULT = b"edgecache-fault"  # the inner tier's upstream failed so; the status is its advice
