"""Whom we ask: origins, and other tiers in other processes.

Words: *upstream* (whoever answers `fetch`), *pool* (connections kept for reuse), *body* (bytes that
arrive), *peer* (another tier of ours), *identity* (how an origin knows us), *names* (what is known
of where names lead), *reach* (where an origin may lead), *circuit* (when one is left alone).

May import `origin`, `rules`, `config`, `http` and `observe`.
"""
