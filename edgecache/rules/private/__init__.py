"""Signed URLs."""
