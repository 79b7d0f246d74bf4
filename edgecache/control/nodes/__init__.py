"""Nodes as control knows them.

- `barrier` whether every node that may serve has applied a number of the log
- `explain` what nodes hold for a request, and what an origin would be sent
- `prometheus` Prometheus text of what nodes count
- `registry` nodes, their newest status, and what is wrong with them
- `staleness_probe` an object that changes and is read from every edge
- `workers` questions to every worker behind a shared port
"""
