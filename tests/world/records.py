"""Lines of the access log as tests take them: all records of a batch in one piece."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def joined(put: Callable[[bytes], object]) -> Callable[[Sequence[bytes]], None]:
    """A writer for an AccessLog that gives `put` each batch as it stands in a file."""

    def write(records: Sequence[bytes]) -> None:
        put(b"".join(records))

    return write
