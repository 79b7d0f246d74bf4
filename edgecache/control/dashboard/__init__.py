"""Dashboard of an installation: its page, who has logged in, and the figures it shows.

Words: a *session* is an operator's or key's log-in from a browser; a *series* is what was counted
of one distribution, behavior, location or node, second by second; a *ring* keeps the newest steps
of a series in one resolution. The page and its modules are files in `assets`.

- `page`: the files, and the headers that go with them
- `sessions`, `session_handlers`: log-in, cookies, and what a browser proves before it changes
- `traffic_step`: what is counted of one step of time, and what is told of it
- `report_differences`, `traffic_series`, `ring_file`: steps from nodes' reports, kept in rings
- `series_answer`, `rankings`, `live_state`, `live_stream`: what the page asks for
"""
