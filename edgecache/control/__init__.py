"""Control: where operators reach an installation: the API, the log, the state, the view of nodes.

Words: *log* (numbered entries; a node follows it and applies them in order), *node* (one process
of ours), *status* (what a node last reported), *lease* (what an answer of the log gives a node: for
so long it may serve), *barrier* (whether every node that may serve has applied a number), *release*
(a version of the key space), *staleness probe* or *canary* (an object that changes, and is read
everywhere), *adoption* (the API takes over a distribution of the configuration file).

- `acme` certificates issued for sites
- `cloudfront` CloudFront's API: XML, by the operations of its service model
- `rest` the REST API of our own: JSON, for people and nodes
- `state` what is kept on disk: resources, the log, invalidations, releases
- `migration` templates and live accounts, taken over
- `replay` access logs, replayed under another configuration
- `warmup` caches, asked before viewers ask
- `nodes` nodes as control knows them: registry, barrier, metrics, questions to them

May import everything below it, and nothing of `server`.
"""
