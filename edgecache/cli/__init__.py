"""The command line: `edgecache COMMAND`. Heavy modules are imported by the command that needs them.

`main` the app: up, edge, regional, control, origin, check, reload, upgrade, explain;
`asked_command` the app with nothing but what was asked for;
`health` health, drain and undrain; `dns` zones and answers, `health_checks` those of records;
`dev` dev and clock: an installation for tests, and its clock;
`serve` serve and init: one site in front of one origin;
`samples` sample projects and their copies;
`migration` import: templates, states and accounts as a configuration;
`difference` diff: what changes for viewers; `replay` replay: hit ratios of logs;
`warm` warm: what a list or a sitemap names, before viewers ask;
`help` commands by subject, with their whole sentences;
`options` options, tables, JSON and exit codes that commands share;
`client` client of control: by the environment or the file, for both of its APIs;
`control` api, token, adopt, reload, upgrade, backup, restore, and the groups that ask control;
`distributions`, `policies`, `functions`, `tags`, `releases`, `invalidations` one group each;
`access_keys` access keys: made, listed, deleted;
`bucket` objects of the bucket and their versions;
`check` the report of `edgecache check`;
`explain`, `explain_signature` why a request or a signature ends as it does;
`secrets` what secrets there are, how keys change, what other machines need of them;
`sign`, `keys` signed URLs and cookies, and the keys they need;
`log`, `top` requests as they come; what is asked most, and how long it takes;
`stats`, `hit_ratio` what each process stores, how much of each distribution it answered so.
"""
