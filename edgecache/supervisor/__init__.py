"""The supervisor: the parent process that starts, watches, restarts and upgrades all others.

`start` from a command to running processes: checks, then the supervisor or one role;
`preflight` checks before a start: addresses free, files there, secrets there;
`service` one supervisor: processes, commands, health, what systemd is told;
`topology` the processes a configuration asks for, in the order they start;
`supervisor` starts them, watches them, stops them;
`managed_process` one of them: restart with back-off, rolling hand-over to a successor;
`child` spawning, the two pipes between parent and child, what it says of itself;
`listen_sockets` the listening sockets, bound here and handed to each successor;
`health` what is made of that for each node, and the listeners that tell it;
`readiness` waits until every process answers;
`reload` reload and upgrade, and the socket file over which commands ask for them;
`dev_installation` what dev mode runs on, what it refuses, and its ready folder;
`banner` the table and the commands to try that `edgecache up` prints.
"""
