"""The language: HTTP messages as values, and strict readers for every field we act upon.

Pure: no clock, no IO, no randomness, no `async`. Everything here is bytes in, values out; `now` is
an argument where a rule needs it. Names of fields are lower case, values as received without the
white space around them.

Words: *request*, *response*, *fields* (an ordered tuple of name and value), *framing* (how a body
ends), *directive* (a name in Cache-Control), *span* (first and last byte of a range, resolved).

Imports nothing of ours.
"""
