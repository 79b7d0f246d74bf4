"""What we ship for origins: a gate that admits only our identity, and a bucket server behind it.

Words: *gate* (ASGI middleware that refuses who does not carry our signature), *bucket* (a folder of
objects served like an S3 bucket).

May import `http` and `observe`; the gate imports nothing of ours, so that it can be copied out.
"""
