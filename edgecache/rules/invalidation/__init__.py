"""Invalidations."""
