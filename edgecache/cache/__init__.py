"""The life of a request in a cache: routed, looked up, served, or fetched and stored.

`decide` of a frontend and of a tier concludes without waiting: a *hit*, a *refusal*, or an
*errand*. `run` does an errand, which ends in an *outcome*. One fetch under way for a key is a
*flight*, shared by all who wait; a body in arrival is a *fill*, read by all of them.

- `frontend`: viewers' frontend: route, admit, decorate the response
- `peer_frontend`: frontend towards other tiers of ours
- `rule_answers`: what rules of a behavior answer by themselves: redirects, questions for passwords
- `purge`: PURGE of viewers, asked of control with their own token
- `error_pages`: custom error pages, fetched through the cache
- `function_events`, `viewer_triggers`: CloudFront and Lambda functions at viewers' events
- `tier`: a cache in front of an upstream: `decide` and `run`
- `lookup`: entry and request give a hit, a validation or a fetch; the same for an entry on disk
- `outcome`: hits, errands, refusals, outcomes; X-Cache and Cache-Status as values
- `coalescing`: request coalescing (single flight), and keys whose answers nobody shares
- `fetch`: ask upstream: pass through, validate, store, stale-if-error
- `fetch_request`: the request that goes upstream, and what a reply to it is
- `store_response`: a response becomes an entry while viewers read it
- `fill`: a body in arrival with several readers
- `compress`: gzip and Brotli while storing
- `bodies`: bodies made of others
- `failure_cache`: upstream failures remembered for a moment
- `slices`: large objects in slices
- `invalidation_sweeper`: removal of invalidated entries, trimming of the log
- `environment`: clock, tasks, counters and bounds of a tier

Imports `store`, `upstream`, `rules` and what they stand on; never `server` or `control`.
"""
