"""What we remember: entries, and the bounded places they are kept in.

Words: *entry* (a stored response: facts only, never verdicts), *variant* (one of several entries
under one key), *budget* (bytes a store may hold).

May import `rules`, `config`, `http` and `observe`.
"""
