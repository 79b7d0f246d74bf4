"""The disk store."""
