"""The authoritative name server's rules: pure functions from a query to the bytes of its answer.

Words: *name* (a domain name on the wire, lower case, with its root label), *record set* (the values
of one name and type), *group* (the record sets of one name and type, with the policy that chooses
among them), *client* (whom an answer is for: the subnet a resolver tells, or the resolver itself),
*scope* (how many bits of a client's address an answer depends on).

- `names` domain names as text and on the wire
- `message` queries read strictly, and answers written
- `records` types by name, and the bytes of a record set made beforehand
- `routing` the answer tree: which records of a group a client is given
- `route_memo` how far down the tree nothing but the client decides, remembered
- `closeness` what of a client a policy goes by: areas, distances, latencies, blocks of addresses
- `geography` countries of continents, and coordinates of regions
- `zone` names of a zone: wildcards, delegations, what is not there
- `responder` the answer to one query
- `dnssec` what is signed of a record set, and the records of DNSSEC
- `zone_signer` signatures of a zone, kept until they are made anew
- `signed_answer` signatures in an answer, and proofs of what is not there
- `rate_limit` token buckets by the prefix of who asks
- `user_zone` zones of users
- `cdn_zone` the operator's zone, with a name for each distribution

No clock, network, disk or randomness: what is random is an argument. May import `rules`, `config`.
"""
