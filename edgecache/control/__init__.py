"""Operators reach us here: the API, the ordered log, the state, and the line to every node.

Words: *log* (numbered entries; a node follows it and applies them in order), *node* (one process
of ours), *status* (what a node last told), *bus* (the client side of the log, used by nodes),
*lease* (what an answer of the log gives a node: for so long it may serve), *barrier* (whether
every node that may serve has applied a number), *release* (a version of the key space), *canary*
(an object that changes).

May import everything below it.
"""
