"""Nodes as control knows them.

- `barrier` whether every node that may serve has applied a number of the log
- `explain` what nodes hold for a request, and what an origin would be sent
- `health` what is dead, failing or off in an installation
- `prometheus` Prometheus text of what nodes count
- `registry` nodes and their newest status
- `staleness_probe` an object that changes and is read from every edge
- `workers` questions to every worker behind a shared port
"""
