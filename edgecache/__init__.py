"""edgecache: a content delivery network one person can run."""

__version__ = "0.2.0"
