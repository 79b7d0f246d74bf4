"""Private content: signed URLs, signed cookies and native tokens.

- `key_ring`: the keys each behavior trusts; `signature_check`: whether a signature opens a URL
- `signature_fields`: the signature a request carries; `signed_policy`: what a policy allows
- `native_token`: tokens without AWS's keys; `signer`: signing URLs and cookies
"""
