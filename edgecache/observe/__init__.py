"""What we tell: counters, access log, trace. Imports nothing of ours.

Words: *record* (one line of the access log), *sample* (counters of one process at one moment),
*histogram* (counts by upper bound, as Prometheus has them).
"""
