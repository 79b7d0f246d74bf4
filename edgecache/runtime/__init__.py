"""Helpers of a process: what is between our code and the system, of no subject of HTTP.

`environment` clocks, random bytes, background tasks, threads of a disk, turns of the event loop;
`dev_mode` a clock that can be moved, for tests;
`inherited` what a supervisor hands to a process: sockets, two pipes, variables;
`shared_words` memory that the workers of a location share;
`fd_limit` file descriptors, and how many connections they are enough for;
`privileges` the user a process becomes once every address is bound;
`memory_tuning` garbage collector and malloc of a process that keeps bodies;
`process_usage` processor time, memory and descriptors, and how often it died before;
`stderr_log` the log on standard error, written by a thread;
`caches` the process-wide caches of functions and what they take at worst.
"""
