"""What the operator wants: the frozen model, its loader, and the managed policies.

Words: *distribution*, *origin*, *behavior*, *cache policy*, *origin request policy*, *location* as
in CloudFront. *Problem*: one thing wrong in a file, with its path. *Generation*: the number of
a configuration as control published it.

May import `http` and `observe`; `config.model` imports nothing of ours and is pure.
"""
