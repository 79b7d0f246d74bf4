"""Helpers of a process."""
