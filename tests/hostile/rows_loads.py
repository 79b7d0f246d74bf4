"""Rows of sections 10 and 14 that take real processes and many viewers at once."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from edgecache.upstream.origin_guard import RESERVE_PER_S, SAVED_MAX, SHARE
from tests.end_to_end.installation import PLAYED
from tests.end_to_end.processes import DEADLINE_S, wait_for
from tests.end_to_end.scripted_origin import Exchange
from tests.hostile.faulty_site import FaultRow, Site, body_of
from tests.hostile.usage import Usage

VIEWERS = 12
OBJECTS = 30
RESETS = 300
MIB = 1024 * 1024


async def _resets(_exchange: Exchange) -> None:
    raise ConnectionError("as the row wants it")


async def _short_lived(exchange: Exchange) -> None:
    body = body_of(exchange.path)
    await exchange.answer(len(body), "max-age=1")
    await exchange.send(body)


def vast_upload(site: Site) -> str:
    (path,) = site.new()
    site.right(path)
    usage = Usage(site.pid("NRT57"))
    address = ("127.0.0.1", site.up.installation.ports.nrt)
    with socket.create_connection(address, DEADLINE_S) as viewer:
        head = f"POST {path} HTTP/1.1\r\nHost: {PLAYED}\r\nContent-Length: {2**36}\r\n\r\n"
        viewer.sendall(head.encode())
        answer = viewer.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:60]
    assert usage.grown() < MIB
    assert site.origin.asked[path] == 1
    assert "NRT57; hit" in site.right(path)
    return "413, closed; memory is flat, nothing of it reaches the origin"


def invalidated_under_load(site: Site) -> str:
    """Both locations are asked for the same objects all the while."""
    paths, over = site.new(OBJECTS), threading.Event()
    for path in paths:
        site.right(path, "lhr")
        site.right(path)

    def views(number: int) -> int:
        count = 0
        while not over.is_set():
            count += 1
            site.right(paths[(number + count) % OBJECTS], ("lhr", "nrt")[count % 2])
        return count

    with ThreadPoolExecutor(VIEWERS) as viewers:
        viewing = [viewers.submit(views, 3 * number) for number in range(VIEWERS)]
        try:
            code, _, said = site.up.installation.run("invalidate", "EPLAYED", "/*")
            assert code == 0, said
            wait_for("all is fetched again", lambda: all(site.origin.asked[p] > 1 for p in paths))
        finally:
            over.set()
        asked = sum(one.result() for one in viewing)
    assert asked > OBJECTS, "hardly anybody asked"
    again = sum(site.origin.asked[path] - 1 for path in paths)
    assert again <= 1.2 * OBJECTS, again
    return "each object is fetched once more, for all; all answers right"


def origin_resets(site: Site) -> str:
    """Every connection to the origin is reset; what was kept is served stale meanwhile."""
    (kept,), lost = site.new(), site.new(RESETS)
    site.origin.plays(kept, _short_lived)
    site.right(kept)
    for path in (kept, *lost):
        site.origin.plays(path, _resets)
    wait_for("it is stale", lambda: "stale" in site.right(kept))
    began = time.monotonic()
    with ThreadPoolExecutor(VIEWERS) as viewers:
        statuses = Counter(answer.status for answer in viewers.map(site.asks, lost))
    assert statuses.keys() == {502}, statuses  # CloudFront has no circuit that would say 503
    asked = sum(site.origin.asked[path] for path in lost)
    # What these requests earn, what earlier ones have saved, and what each second adds.
    retries = SHARE * RESETS + SAVED_MAX + RESERVE_PER_S * (time.monotonic() - began)
    assert asked <= RESETS + retries, asked  # without a budget: three times as many as RESETS
    assert "stale" in site.right(kept)
    site.recovers()
    return "502, a fifth more requests than asked for and a reserve, stale served; then well again"


LOADS = [
    FaultRow("X11", "64 GiB posted to a stored path of a real edge", vast_upload),
    FaultRow("X15", "an invalidation of all under load, of real edges", invalidated_under_load),
    FaultRow("X16", f"{RESETS} requests, all reset by the origin of real edges", origin_resets),
]  # fmt: skip
