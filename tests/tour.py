"""Tour of the code: the path of a hit, a miss, an invalidation and a write, traced as they run.

`python -m tests.tour` prints docs/tour.md. By hand stand here ten functions of each path, by name;
where they are, in which order they are called and what they are for is taken from the run.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType

import edgecache
from tests.control.cloudfront.desk import open_desk, site
from tests.world.play import Play, Scene

PACKAGE = Path(edgecache.__file__).parent
HEADING = """# A tour of the code

The path of a hit, a miss, an invalidation and a write: ten functions of each, in the order they
are called, with the first sentence of their docstrings. Printed by `python -m tests.tour`, which
runs each path and watches the calls; `tests/test_tour.py` compares.

"""
HEAD = "GET {} HTTP/1.1\r\nHost: site.test\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Station:
    """A function on the way: its file in the package, the line it begins at, its whole name."""

    file: str
    line: int
    name: str


@dataclass
class Trace:
    """The calls of this package's functions while `watching`, in their order."""

    stations: dict[Station, None] = field(default_factory=dict)
    calls: int = 0

    @property
    def files(self) -> set[str]:
        return {station.file for station in self.stations}

    @contextmanager
    def watching(self) -> Iterator[None]:
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(str(PACKAGE)):
            return
        if not code.co_name.startswith("<"):  # comprehensions are calls on some interpreters alone
            file = str(Path(code.co_filename).relative_to(PACKAGE))
            self.stations[Station(file, code.co_firstlineno, code.co_qualname)] = None
            self.calls += 1

    def station(self, name: str) -> Station:
        """The first called function of that name."""
        called = [station for station in self.stations if station.name == name]
        if not called:
            raise LookupError(
                f"{name} is not called: who renamed it names it anew in tests/tour.py"
            )
        return called[0]


def sends(play: Play, target: str) -> None:
    play.viewer("a").sends(HEAD.format(target).encode())


def fetched(play: Play, target: str) -> None:
    sends(play, target)
    play.origin.answers(200, "body", cache="max-age=600")
    play.loop.settle()


def hit(trace: Trace) -> None:
    """The first hit of an object: its head is in no cache yet."""
    play = Play(Scene(regional=False))
    play.counters.distributions["EPLAY"].behaviors["*"]["Hit"]  # made with the first one
    fetched(play, "/a")
    with trace.watching():
        sends(play, "/a")
    play.close()


def miss(trace: Trace) -> None:
    """A miss: fetched from the origin, stored while it is sent."""
    play = Play(Scene(regional=False))
    fetched(play, "/like")
    with trace.watching():
        fetched(play, "/b")
    play.close()


def invalidation(trace: Trace) -> None:
    """Control logs it, a node applies it, and the next request does not find what it names."""
    batch = {"CallerReference": "one", "Paths": {"Quantity": 1, "Items": ["/a"]}}
    with tempfile.TemporaryDirectory() as folder, open_desk(Path(folder)) as desk:
        client = desk.client()
        with trace.watching():
            client.create_invalidation(DistributionId="EFILE", InvalidationBatch=batch)
    play = Play(Scene(regional=False))
    fetched(play, "/a")
    play.operator.accepts("/a")
    with trace.watching():
        play.operator.applies()
        sends(play, "/a")
    play.origin.answers(200, "body", cache="max-age=600")
    play.loop.settle()
    play.close()


def api_write(trace: Trace) -> None:
    """CreateDistribution, sent by botocore's client."""
    with tempfile.TemporaryDirectory() as folder, open_desk(Path(folder)) as desk:
        client = desk.client()
        client.create_distribution(DistributionConfig=site("before"))
        with trace.watching():
            client.create_distribution(DistributionConfig=site("one"))


@dataclass(frozen=True)
class Walk:
    """One path: its title, what runs it, and the functions of it that the page names."""

    title: str
    run: Callable[[Trace], None]
    names: tuple[str, ...]


WALKS = (
    Walk(
        "One hit", hit,
        (
            "ViewerConnection._begin", "ViewerFrontend.decide", "admit", "Tier.decide", "cache_key",
            "decide_entry", "rendered", "from_entry", "write_hit", "RequestLog.tell",
        ),
    ),
    Walk(
        "One miss", miss,
        (
            "Tier.decide", "ResponseWriter.run", "Tier.run", "Fetcher.lead", "update_of",
            "refusal_to_store", "Storer.whole", "Fill.take_ready", "FilteredStore.put", "from_fill",
        ),
    ),
    Walk(
        "One invalidation", invalidation,
        (
            "CallerAuthentication.authenticate", "create", "Invalidations.create",
            "ControlLog.append_text", "write_answer", "InvalidationState.apply",
            "FilteredStore.lookup", "InvalidationState.stands", "MemoryStore.expel", "Fetcher.lead",
        ),
    ),
    Walk(
        "One write of the API", api_write,
        (
            "CallerAuthentication.authenticate", "ServiceModel.match", "read_request", "validate",
            "unsupported", "with_defaults", "Catalog.changing", "IncrementalComposition.step",
            "check", "ControlLog.append_text",
        ),
    ),
)  # fmt: skip


def traced(path: Callable[[Trace], None]) -> Trace:
    """The second of two runs: the first fills what a process remembers of heads and fields."""
    path(Trace())
    trace = Trace()
    path(trace)
    return trace


@cache
def sentences(file: str) -> dict[int, str]:
    """The first sentence of every function that has one, by the line its code begins at."""
    found = {}
    for node in ast.walk(ast.parse((PACKAGE / file).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            text = " ".join((ast.get_docstring(node) or "").split())
            line = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
            if text:
                found[line] = text.split(". ")[0].rstrip(".") + "."
    return found


def section(walk: Walk) -> str:
    trace = traced(walk.run)
    order = list(trace.stations)
    lines = [f"## {walk.title}", "", walk.run.__doc__ or "", ""]
    if walk.run in (hit, miss):
        lines += [f"{trace.calls} calls in {len(trace.files)} files.", ""]
    stations = sorted((trace.station(name) for name in walk.names), key=order.index)
    for number, station in enumerate(stations, 1):
        sentence = sentences(station.file)[station.line]
        lines.append(f"{number}. `edgecache/{station.file}:{station.name}`: {sentence}")
    return "\n".join(lines) + "\n"


def page() -> str:
    return HEADING + "\n".join(section(walk) for walk in WALKS)


if __name__ == "__main__":
    sys.stdout.write(page())
