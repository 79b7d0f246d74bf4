"""What we remember: entries, and the bounded places they are kept in.

Words: *entry* (a stored response: facts only, never verdicts), *variant* (one of several entries
under one key), *budget* (bytes a store may hold), *levels* (memory over disk), *mark* (the newest
invalidation an entry is known to be newer than), *standing* (what no invalidation has named),
*shelf* (the blocking half of a disk store), *record* (an entry as bytes), *block* (a run of a
large object's bytes, an entry of its own), *resident* (an entry as eviction sees it), *trial* and
*main* (where residents wait to leave), *ghost* (what is remembered of one that left its trial),
*warm* (with its head and what was concluded from it at hand).

May import `rules`, `config`, `http` and `observe`.
"""
