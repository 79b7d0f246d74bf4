"""Operators reach us here: the API, the ordered log, the state, and the line to every node.

Words: *log* (numbered entries; a node follows it and applies them in order), *node* (one process of
ours), *status* (what a node last told), *bus* (the client side of the log, used by nodes).

May import everything below it.
"""
