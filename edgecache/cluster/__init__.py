"""Cluster: what processes of one installation say to each other.

Words: *node* (one process of ours with a cache), *control* (the process with the API), *log*
(numbered entries that every node applies in order), *lease* (for how long a node may serve without
hearing from control), *credential* (what a process proves itself with, for one request), *token*
(what an operator bears).

- `client` asks a process of ours: a node, control, the supervisor
- `configuration_change` what of a configuration's distributions differs from the one before
- `control_access` where control and the supervisor are reached, and what admits us there
- `credentials` made for one message and one receiver, and used once
- `inspection` questions about stores, and their answers
- `log_entries` entries and pages of control's log; which releases work with which
- `log_readers` who reads logs as they come, and what nodes send them
- `lease` for how long a node may serve without control
- `node_status` what a node reports
- `tokens` operators' tokens

May import `store`, `rules`, `runtime`, `config`, `http`, `observe`. `server` and `control` meet
here alone.
"""
