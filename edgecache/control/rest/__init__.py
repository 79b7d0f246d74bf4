"""REST API of control: JSON for people, commands and nodes; `/docs` and `/openapi.json` tell of it.

- `access_keys` operations on access keys; callers with one, within its limits
- `app` the ASGI application; handlers of nodes and of control itself
- `auth` tokens, the guard against foreign pages
- `call` one call, as operations get it; bounded bodies, JSON responses
- `dev` dev mode: ready, reset, the clock
- `distributions` operations on distributions: list, show, adopt, give back
- `drain` a node's viewers go elsewhere, or come again
- `dry_run` what an invalidation would remove, by node
- `explain` what would happen to a request, and why
- `handlers` HTTP around the operations on the state
- `inventory` figures and objects of every store
- `function_logs` what functions log in the edges
- `invalidations` operations on invalidations
- `key_values` what key value stores hold, for nodes
- `leases` the log, as nodes follow it, and their leases
- `log_readers` readers of requests as they come
- `openapi` the description of the routes
- `releases` operations on releases
- `routes` the table of routes
"""
