"""Tests mirror the package; beside them plays, conformance, end to end, and their world."""
