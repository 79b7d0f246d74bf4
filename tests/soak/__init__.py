"""A long run under load and faults: `python -m tests.soak --minutes 20`."""
