"""CloudFront's API, spoken by control: botocore's model of it says what goes over the wire.

Words: *operation* (one call of the API, as the model has it), *shape* (the form of a value: a
structure, a list, a text), *member* (a name in a structure), *fault* (a refusal, with AWS's code),
*resource* (what the API keeps: a distribution, a policy, a key), *kind* (of resource), *caller*
(who asks, known by a signature or a token).

May import the rest of `control` and everything below it.
"""
