"""CloudFront's own JSON: distributions and policies as its API and command line print them.

Words: *document* (the JSON as a dict), *member* (a name in it), *kept* (members that mean nothing
here, or more than the model can say, carried along for the way back), *place* (a path in the
document, for problems).

    read              a DistributionConfig to a `Distribution`
    write             a `Distribution` to a DistributionConfig
    document          typed members of a document, with their places
    defaults          what CloudFront fills in
    passthrough       members that only one of the two models has
    unsupported       members that are refused or told
    origins           origins, groups, error pages, countries, certificate, logging
    behaviors         cache behaviors
    forwarded_values  the way before policies
    policies          cache and origin request policies, ids of policies
    response_headers  response headers policies
    access            access controls, identities, public keys, key groups

A member `Edgecache` carries what only we know (`ca_file`, `semantics`); documents of CloudFront's
own making never get one.

May import the rest of `config`.
"""
