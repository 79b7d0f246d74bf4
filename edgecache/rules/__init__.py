"""The decisions of a CDN as pure functions: no clock, no IO, no randomness, no logging.

A rule is asked a question and answers with a value: where a request goes (*route*), whether it may
enter (*refusal*), which entry answers it (*key*), how long that is fresh (*lifetime*), what may be
done with it now (*verdict*), what the viewer gets (*response plan*) and what the upstream is asked.
May import `config` and `http`.

- `routing`: host and path to site and route; `semantics`: the switches of RFC 9111 and CloudFront
- `viewer/`: who may enter, and viewer headers; `private/`: signed URLs, cookies and tokens
- `caching/`: key, storability, freshness, reuse; `response/`: what the viewer is sent
- `invalidation/`: items, their matching, releases; `globs`: wildcards as regular expressions
- `explanation`: the rules' conclusions as text; `reasons`: verdicts and the words for why
- `rendezvous`: which of several regional caches an object lives at
- `redirect_loops`: redirects that lead back to where they began
- `trace_propagation`: which trace a request is of, and what upstream is told of it
- `permissions`: what an access key with limits may do
- `replay_window`: which numbers of a sender were used
- `sigv4`: AWS Signature Version 4; `origin_addresses`: addresses an origin may have
"""
