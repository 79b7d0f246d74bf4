"""Commands that would make `cli.py` too long, by what they are about. Outermost, as `cli.py` is."""
