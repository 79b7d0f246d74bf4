"""Viewers: whether they may enter, where they are, and the headers that say so.

- `access`: loops, https, methods, countries, quotas, WebSocket; `geo`: places of addresses
- `headers`: `CloudFront-` request headers of place, device and connection
- `client_shares`: which addresses count as one client, and what it holds of each kind
"""
