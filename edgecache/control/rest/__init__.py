"""JSON for people."""
