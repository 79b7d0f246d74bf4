"""Nodes as control knows them.

- `barrier` whether every node that may serve has applied a number of the log
- `control_group` the same for all controls on one database; their own leases
- `installation_metrics` processes, certificates and control itself, for Prometheus
- `explain` what nodes hold for a request, and what an origin would be sent
- `log_readers` who reads requests as they come, and what nodes sent them
- `other_controls` nodes of the other controls, which are asked for them
- `prometheus` Prometheus text of what nodes count
- `reported_samples` known metrics and a bounded number of series of what nodes report
- `registry` nodes, their newest status, and what is wrong with them
- `staleness_probe` an object that changes and is read from every edge
- `workers` questions to every worker behind a shared port
"""
