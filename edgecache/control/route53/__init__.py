"""Route 53's API, version 2013-04-01: requests of AWS SDKs, answered in XML.

Hosted zones that are made here live in control's state and reach name servers by the log; those of
the file are listed and read, and changed in the file. Shapes, reading and writing are those of
CloudFront's API (`control/cloudfront`): both are REST with XML.

- `absent_resources` lists of what cannot be made here
- `answer_tests` the answer that a resolver would be given
- `call` one call of an operation: its input, services, pages; the status of a change
- `change_batch` changes of record sets: all of a batch, or nothing
- `cidr_collections` blocks of addresses for IP-based routing
- `declared_zones` zones of the file as the API has them
- `endpoint` the HTTP entry
- `geo_locations` areas that geolocation records may name
- `health_checks` operations on health checks
- `hosted_zones` operations on zones
- `limits` quotas, and how much of them is used
- `model` botocore's service model, errors and quotas of the API
- `operations` the table of operations that act
- `record_sets` a record set of the API as name servers are told of it
- `record_set_lists` record sets listed
- `tags` tags of zones
- `vpcs` private zones, and the networks that see them
"""
