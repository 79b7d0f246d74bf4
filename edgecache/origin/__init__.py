"""Software for origins: a gate that admits only our identity, and a bucket server behind it.

Words: *gate* (ASGI middleware that refuses who does not carry our signature), *bucket* (a folder of
objects served like an S3 bucket), *policy* (who may read it), *version* (one content of an object).

    gate      the middleware
    identity  signer and verifier of the origin access identity
    errors    S3's error responses
    bucket    GetObject and HeadObject over a folder
    folder    objects opened and put, none outside the folder
    versions  every content once served, kept
    policy    bucket policies
    demo      the bucket and the gate of a configuration

May import `http`, `config` and `observe`; the gate, with `identity` and `errors` beside it, imports
nothing else of ours, so that the three can be copied out.
"""
