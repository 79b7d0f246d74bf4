"""Configuration: the frozen model, its loader, its checks, and CloudFront's JSON of it.

Words: *distribution*, *origin*, *behavior*, *cache policy*, *origin request policy*, *location* as
in CloudFront. *Problem*: one thing wrong in a file, with its path. *Generation*: the number of
a configuration as control published it.

    model                  the frozen model: distributions, policies, locations, limits
    base                   the base class of the model's pieces
    caches                 edge locations, regional caches and their disks
    origins                origins, origin groups, access controls and identities of the model
    observation            logs, their delivery, traces and where spans go
    viewer_rules           rules of behaviors: redirects, request headers, passwords, maintenance
    htpasswd               users and the hashes of their passwords
    access_lists           access lists and IP sets of the model
    networks               IP networks as people write them, and ranges of addresses
    rate_limits            limits of requests and of bodies' rates
    setting                one number: unit, bounds, precedent
    settings               every number
    limit_settings         those of `limits`
    units                  sizes and durations as people write them
    sources                its file, `conf.d` beside it, `--set`, and what the environment has
    toml_positions         line and column of each place in a TOML file
    json_positions         the same in a JSON document
    document_positions     which document a place is in, and where there
    load                   a TOML file to a `Config`, or every problem in it
    decode                 tables of TOML or JSON to pieces of the model
    references             policies by name or id, CloudFront's JSON by file
    origin_map             where connections to origins of a name are made instead
    unknown_key            what to say of a key that stands in the wrong table
    problems               what is wrong, and where
    checks/                what a configuration must hold
    lint                   warnings
    site_file              the file of one site, as `init` and `serve` write it
    managed                CloudFront's managed policies
    listen                 addresses to listen on
    public_keys            PEM files, and which keys can be used
    secrets                `secrets.json`: credentials of peers, tokens and stores; `operators.json`
    refused_distributions  distributions that answer 503 for what they ask
    aws/                   CloudFront's JSON, read and written

May import `http` and `observe`; `model` and what it is made of (`base`, `caches`, `origins`,
`observation`, `viewer_rules`, `access_lists`, `rate_limits`) import nothing else of ours and are
pure.
"""
