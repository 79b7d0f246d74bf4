"""Checks of a configuration: each reports problems with their places, and changes nothing.

    configuration     the whole: names, addresses, disks; bounds of numbers no file gave
    distribution      one distribution: origins, origin groups, behaviors
    site              its error pages, countries, certificate, logging, tags
    policies          cache policies and origin request policies
    rate_limits       limits of requests by behavior
    response_headers  response headers policies
    access            access controls, identities, secret headers, client certificates
    viewer_rules      redirects, request headers, passwords, maintenance of behaviors
    access_lists      access lists and IP sets
    trusted_proxies   balancers in front of a location, whose word on viewers counts
    keys              public keys, key groups, trusted signers

May import the rest of `config`.
"""
