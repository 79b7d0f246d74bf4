"""Viewers reach us here: the HTTP protocol under Uvicorn, and the processes that run it.

Words: *listener* (one address and the front behind it), *connection* (one viewer socket), *memo*
(conclusions remembered by the bytes that led to them), *role* (what one process is).

May import everything below it.
"""
