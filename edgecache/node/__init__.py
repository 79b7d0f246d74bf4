"""One process of ours: an edge worker, the regional cache, control, or the bucket.

`roles` entry points of an edge worker and a regional cache;
`service_roles` entry points of control and the bucket;
`role_command` the command lines a supervisor starts them by, run without the command line;
`role_server` Uvicorn's server as each role runs it;
`graceful_server` that of nodes, with TLS listeners, hand-over to a successor, graceful drain;
`service_connection` connections to control and the bucket: deadlines, and places kept for nodes;
`build` puts a node together from a configuration;
`node` a node: serves a listener, follows control's log, reports;
`readiness` whether viewers should be sent here, and why not;
`followed_configuration` the configuration that was applied last, and changes of it;
`log_follower` the node's client of control's log, with back-off;
`control_endpoints`, `control_clients` the controls it may follow, and clients of them;
`last_configuration` what control published last, on a node's disk;
`reset` back to the start, in dev mode;
`inspect` answers operators about the store: explain, statistics, objects, dry runs;
`secret_watch` secrets of this process, read from its own files again when they change;
`rule_files` what rules need of files (IP sets, htpasswd), read again when they change;
`key_values` the key value stores that this node's functions read, followed by the log;
`key_value_files` the same on its disk, for a start without control, by `versioned_files`;
`control_purger` hands viewers' PURGE to control, with their own token;
`password_checks` whether passwords are right, in a thread of its own;
`certificate_watch` certificates of a worker and of control, read again when their files change,
and what control hands out of them;
`log_outputs` formats and places of the access log, and who else is offered its records;
`log_readers` who reads it as it comes, through control;
`log_delivery`, `log_store` sends the logs of distributions to their buckets;
`realtime_logs`, `realtime_streams` sends lines of real-time logs to sockets, files and URLs;
`span_export` sends spans of sampled requests to a collector of OpenTelemetry;
`send_queue` what is on its way to one receiver, and what it did not take;
`reserve` the bucket behind a regional cache, and its key pair;
`geoip` look-up of addresses in MaxMind's files;
`orphaned_connections` adopts connections in the backlog of a worker that died;
`name_server` answers queries for names, `zone_keys` makes keys of signed zones,
`dns_listener` its sockets;
`control_app` the control process, `control_secrets` what it knows callers by.
"""
