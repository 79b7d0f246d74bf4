"""State of control: what is kept in its SQLite database, and the configuration made of it.

- `access_keys` rows of access keys, their secrets sealed
- `backup` the state in one file, made while control runs; and its restore
- `catalog` all resources by name; a change is one transaction and one entry of the log
- `compose` file and API as one checked configuration
- `database` the schema, its migrations, transactions
- `database_thread` the thread that alone uses the database
- `declared` resources of the configuration file, and CloudFront's managed policies
- `distribution_cache` distributions as they were read and checked before
- `functions` functions as control keeps them, and as nodes are told of them
- `incremental_composition` the same with some distributions changed, at the price of the change
- `invalidations` rows of invalidations, quotas, Completed
- `key_values` what key value stores hold, and their versions
- `live_configuration` the configuration as nodes are told it: whole, or what has changed
- `log` the ordered log on disk, and in memory for nodes
- `releases` rows of releases
- `reset` back to the start, in dev mode
- `resources` rows of what the API has made
"""
