"""Disk store: an SQLite index beside files of bodies, written in batches, looked up in threads.

- `store`: `DiskStore`, asynchronous, for one event loop
- `availability`: opening, time limits, retries and health of a disk
- `engine`: `DiskEngine`, the blocking half: look-ups, changes, eviction by SIEVE, sweep
- `index`: rows in SQLite
- `record`: an entry as bytes with its checksum
- `pending_changes`: changes that wait to be written, and the plan of a batch
- `walk`: check of all that is stored against the invalidations
- `files`: operations on files, few enough to fail each of them in a test
"""
