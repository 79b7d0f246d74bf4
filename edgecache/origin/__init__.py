"""What we ship for origins: a gate that admits only our identity, and a bucket server behind it.

Words: *gate* (ASGI middleware that refuses who does not carry our signature), *bucket* (a folder of
objects served like an S3 bucket), *policy* (who may read it), *version* (one content of an object).

May import `http` and `observe`; the gate, with `identity` and `errors` beside it, imports nothing
else of ours, so that the three can be copied out.
"""
