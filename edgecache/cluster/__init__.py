"""Cluster: what processes of one installation say to each other.

Words: *node* (one process of ours with a cache), *control* (the process with the API), *log*
(numbered entries that every node applies in order), *lease* (for how long a node may serve without
hearing from control), *token* (what a process or an operator proves itself with).

- `client` asks a process of ours: a node, control, the supervisor
- `control_access` where control and the supervisor are reached, and with what credential
- `inspection` questions about stores, and their answers
- `log_entries` entries and pages of control's log
- `lease` for how long a node may serve without control
- `node_status` what a node reports
- `tokens` signed tokens between processes, and credentials between tiers

May import `store`, `rules`, `runtime`, `config`, `http`, `observe`. `server` and `control` meet
here alone.
"""
