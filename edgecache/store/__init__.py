"""What we remember: entries, and the bounded places they are kept in.

Words: *entry* (a stored response: facts only, never verdicts), *variant* (one of several entries
under one key), *budget* (bytes a store may hold), *levels* (memory over disk), *mark* (the newest
invalidation an entry is known to be newer than), *standing* (what no invalidation has named),
*shelf* (the blocking half of a disk store), *record* (an entry as bytes), *block* (a run of a
large object's bytes, an entry of its own).

May import `rules`, `config`, `http` and `observe`.
"""
