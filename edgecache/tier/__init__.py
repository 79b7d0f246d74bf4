"""The life of a request: a cache in front of an upstream, and itself an upstream.

A request is split at its first `await`. `decide` is synchronous and without effects: it gives an
*answer* (a reply with the lease on which it may be given again), a *refusal*, or an *errand* (work
that must be awaited). `run` does errands: one *flight* per key, a *fill* several readers share; a
*block* of a large object has a flight of its own, a *stream* cuts a whole one into blocks.

May import `store`, `upstream`, `rules`, `config`, `http` and `observe`.
"""
