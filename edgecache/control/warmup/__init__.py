"""Warm-up of caches: what a list or a sitemap names is asked for before viewers ask.

Words: *place* (where a location is asked: HOST:PORT, or the URL's own host), *stayed* (a miss that
was one again when it was asked for a second time).

    sitemap  sitemaps and their indexes, also compressed, within the protocol's bounds
    warmer   requests within a rate and a number at a time, and what became of each

May import what is below `control`.
"""
