"""Replay of access logs: the hit ratio they tell, and the one this cache would have had.

Words: *there* (what the log says), *here* (what the replay finds), *broken* (a line that no request
can be read of), *passed over* (a request that no cache was asked for: a redirect, an error).

    logged_requests  requests of CloudFront's, our own, and combined logs
    simulation       the keys, lifetimes and stores of a configuration, asked by them

Law: what a log does not have is said with what that means; nothing is invented in its place.

May import the rest of `control`, `cache` and what is below.
"""
