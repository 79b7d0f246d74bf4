"""Invalidations: what they name, how they are matched, and releases.

- `items`: paths, tags, globs, hosts and prefixes of an invalidation
- `tags`: cache tags of a response
- `matcher`: the newest invalidation that names an object, among thousands
- `releases`: versions in the key, by which a path pattern misses and comes back at once
"""
