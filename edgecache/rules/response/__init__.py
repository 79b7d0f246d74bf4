"""Responses to viewers: status, fields and bytes.

- `status_and_ranges`: 200, 206, 304 or 416 from a stored response
- `headers_policy`: fields of a policy and of our own
- `cors`: CORS headers of a response headers policy
"""
