"""A fleet of hosts on real processes, with a network between them that is late and can be cut.

Each *host* is a network namespace with one process of ours: a control, a database (PostgreSQL), a
regional cache, or an edge. Hosts stand at *sites*; the *router* hands their packets on, as late as
the sites are apart, or not at all. *Viewers* ask every edge all the time and know what each path
may give: a version that was superseded before an invalidation of it was Completed is *stale*, what
is of another path or of no version is *wrong*. *Faults* stop, kill and cut hosts off, by a seed.

`python -m tests.fleet` (its `--help`); Linux, as root. `python -m tests.fleet.followers` simulates
thousands of edges on one control.
"""
