"""Private content: signed URLs, signed cookies and native tokens.

- `key_ring`: the keys each behavior trusts; `signature`: whether a signature opens a URL
- `signed_request`: the signature a request carries; `signed_policy`: what a policy allows
- `native_token`: tokens without AWS's keys; `signer`: signing URLs and cookies
"""
