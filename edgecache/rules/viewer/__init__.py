"""Viewers: whether they may enter, where they are, and the headers that say so.

- `access`: loops, https, methods, countries, quotas, WebSocket; `geo`: places of addresses
- `access_list`: numbered rules that let addresses in or not
- `headers`: `CloudFront-` request headers of place, device and connection
- `basic_auth`, `password_hashes`: users and passwords
- `redirects`: where a behavior's rules send viewers; `request_headers`: what they remove and set
- `rate_limits`: token buckets of requests by address, header, cookie or path; rates of bodies
- `trusted_proxies`: who the viewer behind a balancer is, by its X-Forwarded-For and -Proto
- `client_shares`: which addresses count as one client, and what it holds of each kind
"""
