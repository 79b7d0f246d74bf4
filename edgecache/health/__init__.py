"""Health checks by Route 53's rules: what a location asks, what it says, what all of them mean.

- `probe`: one question to an endpoint, by TCP or HTTP, and what its answer was
- `checker`: the health checks of one location: when each is asked, and what counts by its threshold
- `verdict`: whether a health check is healthy by what all locations say, inverted or calculated

Words: *checker* (the process of an edge location that asks), *opinion* (what one checker says of a
health check), *verdict* (what control makes of all opinions), *endpoint* (who is asked). May import
`rules`, `runtime`, `config`, `http` and `observe`; a connection is opened by what it is given.
"""
