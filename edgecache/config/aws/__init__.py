"""CloudFront's own JSON: distributions and policies as its API and command line print them.

Words: *document* (the JSON as a dict), *member* (a name in it), *kept* (members that mean nothing
here, or more than the model can say, carried along for the way back), *place* (a path in the
document, for problems).

A member `Edgecache` carries what only we know (`ca_file`, `semantics`); documents of CloudFront's
own making never get one.

May import the rest of `config`.
"""
