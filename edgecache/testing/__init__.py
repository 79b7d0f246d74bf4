"""What users import to test a distribution: a pytest plugin, scripted origins, virtual time.

`pytest_plugin` the fixture `edgecache` and its options;
`installation` the installation a test has: origins, distributions, the clock;
`distribution_document` a DistributionConfig from a dict, a file or keywords;
`template_sites` the distributions of a CloudFormation template, with what they name;
`site` a distribution as its viewers meet it, and the answers they get;
`explanation` what edgecache makes of a request, and why;
`scripted_origin` origins that answer by a script and record what they are asked;
`origin_conversation` such an origin on a connection, `origin_server` on a port of this machine;
`viewer_exchange` requests and responses of viewers as bytes;
`processes` edges, control and a regional cache as real processes, reset for each test;
`container` the same in a container, for testcontainers;
`in_process` edges, a regional cache and origins in this process, in virtual time;
`in_process_nodes` puts their tiers and listeners together;
`memory_network` connections between them, `virtual_loop` the event loop that they live by.

Words: *in process* (the same code without sockets, a clock that only tests move), *processes* (what
`edgecache dev` starts). A test is the same for both. What `docs/testing.md` names is public and
keeps its meaning within a major version; all else may change.

May import every other group; none imports it.
"""
