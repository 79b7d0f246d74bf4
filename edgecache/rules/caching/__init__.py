"""Caching by RFC 9111 and by CloudFront's rules: what is stored, found, reused and renewed.

- `key`: cache keys and the requests forwarded under them; `vary`: variants under one key
- `storability`: may a response be stored; `freshness`: for how long; `reuse`: whom does it answer
- `revalidation`: what a 304 changes; `entry_update`: what any answer does to what is stored
- `stored_parts`: parts of representations; `slices`: large objects in slices
- `compression`: what is coded here; `error_caching`: custom error responses
- `unkeyed_fields`: request fields that must not poison entries they are no key of
"""
