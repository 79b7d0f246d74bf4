"""Pages of docs/reference/ and the generators that make them of the tables in the code.

`python -m tests.reference` writes all of them; `test_pages.py` compares, and fails for whatever
has no line: a field, a command, an option, a log field, an error, an operation.
"""
