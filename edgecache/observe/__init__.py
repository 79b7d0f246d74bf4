"""Observation of a process: counters for metrics, the access log. Imports nothing of ours.

Words: *record* (one line of the access log), *sample* (counters of one process at one moment),
*histogram* (counts by upper bound, as Prometheus has them).

    counters               counters, gauges, histograms; samples and their sum
    metric_families        name, labels and meaning of everything counted
    distribution_counters  requests, bytes, statuses, durations by distribution and result
    labeled_series         counting by operators' names, a bounded number of them
    histogram              durations by upper bound, and of each bucket the trace of a request
    access_log             a bounded queue of records, files by the hour, standard output
    log_filter             expressions that choose records: status>=500 and path~"/api/"
    log_reader             a reader of records as they come, with a bounded buffer
    realtime_log           lines of real-time logs, by CloudFront's fields
    log_history            records of this process by request id: of the last seconds, of its files
    traffic_summary        what is asked most, why it misses, by whom, how long: mergeable
    heavy_hitters          the most frequent names in bounded memory
    distinct_count         how many distinct values, in 4 KiB
    request_spans          spans of sampled requests, out of their records
    otlp                   spans as collectors of OpenTelemetry take them
    log_record             records of requests, their lines in CloudFront's format and as JSON
    log_retention          closed hours as gzip, what is too old or too much
    log_spool              lines that distributions want in buckets, in files of this process
    spool_folder           all such files of a machine: adopted, packed, dropped for room
"""
