"""Care of a shelf: what crashes and power cuts left is cleared, and the shelf proves itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

from edgecache.store.disk.engine import FOLDER_BITS, DiskEngine
from edgecache.store.disk.write_plan import ForgetEntry


def sweep(shelf: DiskEngine) -> Iterator[None]:
    """Once after opening, a folder a step: files without rows go, rows without files too."""
    listed = sorted(int(name) for name in shelf.files.names(shelf.bodies) if name.isdecimal())
    number = -1
    while True:
        following = shelf.index.sizes((number + 1 << FOLDER_BITS) - 1, 1)
        candidates = [item for item in listed if item > number][:1]
        candidates += [size.id >> FOLDER_BITS for size in following]
        if not candidates:
            return
        number = min(candidates)
        _sweep_folder(shelf, number)
        yield


def _sweep_folder(shelf: DiskEngine, number: int) -> None:
    first, after = number << FOLDER_BITS, number + 1 << FOLDER_BITS
    rows = shelf.index.sizes(first - 1, 1 << FOLDER_BITS)
    filed = {size.id for size in rows if size.filed and size.id < after}
    try:
        names = shelf.files.names(os.path.join(shelf.bodies, str(number)))
    except FileNotFoundError:
        names = []
    there = {int(name) for name in names if name.isdecimal()}
    for row_id in there - filed:
        shelf.remove_body(row_id)
    if filed - there:
        shelf.change([ForgetEntry(row_id) for row_id in filed - there])


def check(shelf: DiskEngine) -> None:
    """Rows add up to the totals, and there is a file for each row and no other."""
    assert shelf.index.counted() == (shelf.totals.objects, shelf.totals.size)
    assert shelf.totals.size <= shelf.budget.bytes_max
    files = {
        int(name)
        for folder in shelf.files.names(shelf.bodies)
        for name in shelf.files.names(os.path.join(shelf.bodies, folder))
    }
    filed, after = set(), 0
    while some := shelf.index.sizes(after, 1_000):
        filed |= {size.id for size in some if size.filed}
        after = some[-1].id
    assert files == filed, (files - filed, filed - files)
    assert after < shelf.totals.next_id
