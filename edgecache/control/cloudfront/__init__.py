"""CloudFront's API, version 2020-05-31: requests of AWS SDKs, answered in XML.

A request passes `endpoint` (authenticate, find the operation, parse, validate, run, write).

- `absent_resources` lists of what cannot be made here
- `aliases` aliases that move, and those that overlap
- `authentication` callers by Signature Version 4, token or socket file
- `context` one call of an operation; pages of lists
- `distributions` operations on distributions
- `endpoint` the HTTP entry
- `error_mapping` problems of a configuration as errors of the API
- `errors` errors of the API and their XML
- `functions` operations on functions and their stages
- `invalidations` operations on invalidations
- `key_value_data` the service by which keys and values are read and put
- `key_value_stores` operations on key value stores
- `model` botocore's service model: operations, shapes, statuses
- `operations` the table of operations that act
- `origin_reach` addresses that origins made over the API may lead to
- `preconditions` the resource exists, If-Match is its ETag
- `rate_limit` calls and failures of a caller, bounded
- `realtime_logs` operations on real-time log configurations
- `request_parser` request to values, by shape
- `resource_types` the table of types of policies, keys and access identities
- `resources` operations on those
- `response_writer` values to XML, by shape
- `tags` operations on tags of distributions
- `validation` bounds and choices of the model
- `xml` bounded XML trees
"""
