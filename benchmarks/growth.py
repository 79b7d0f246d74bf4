"""What grows with what an installation has: `python -m benchmarks.growth [--draw]`.

CPU time of one process, without sockets, by scale: of a hit, of one that nobody remembers, and of a
miss, among so many distributions, live invalidations, tags and stored objects (S21); of a change
over CloudFront's API at control, and of what a node does about it (S22). Each figure is the least
of several rounds, as what else runs on a machine only adds. A line for each run is kept in
`growth.jsonl`; `--draw` makes docs/pictures/growth.svg of the last one (wants matplotlib).
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from benchmarks.results import commit, machine
from edgecache.cluster.log_entries import read_page
from edgecache.config.aws.defaults import with_defaults
from edgecache.config.limits import Quotas
from edgecache.config.model import Behavior, CachePolicy, Config, Control, Distribution, Origin
from edgecache.control.cloudfront.context import ApiServices, OperationContext
from edgecache.control.cloudfront.operations import actions
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.state.invalidations import Invalidations
from edgecache.control.state.resources import Resource
from edgecache.http.message import Response
from edgecache.node.followed_configuration import FollowedConfiguration, read_configuration
from edgecache.rules.invalidation.items import ItemKind
from edgecache.rules.routing import compile_routes
from edgecache.store.entry import Entry
from edgecache.store.invalidation import Invalidation
from tests.control.state.resource_rows import NOW, Kept, distribution, kept
from tests.world.play import Play, Scene

SCALES = {
    "distributions": (10, 500, 10_000),
    "invalidations": (10, 1_000, 100_000),
    "tags": (10, 1_000, 100_000),
    "objects": (10, 1_000, 100_000),
}
API_SCALES = (10, 500, 10_000)
BEHAVIORS = 25
BEHAVIORS_FEWER = 5  # of each where there are more than 500 distributions
ROUNDS = 7
REQUESTS = 400  # in a round
HEAD = "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n"
HERE = Path(__file__).resolve().parent
DRAWN = HERE.parent / "docs" / "pictures" / "growth.svg"

Curves = dict[str, dict[str, dict[int, float]]]
"""Figures by what grows, by what was done, by scale; microseconds of CPU."""


def main() -> int:
    """Measure, tell, keep; or draw what was kept."""
    options = _options()
    if options.draw:
        draw(json.loads(options.results.read_text().splitlines()[-1]), DRAWN)
        print(DRAWN)
        return 0
    curves: Curves = {}
    for grows, scales in SCALES.items():
        curves[grows] = _curve(scales, partial(requests, grows))
    curves["distributions at control"] = _curve(API_SCALES, changes)
    for grows, curve in curves.items():
        print(f"by {grows}:")
        for done, by_scale in curve.items():
            told = ", ".join(f"{scale:,}: {figure:,.1f}" for scale, figure in by_scale.items())
            print(f"{done:>44}: {told} µs")
    line = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "machine": machine(),
        "python": platform.python_version(),
        "curves": curves,
    }
    with options.results.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--draw", action="store_true", help="draw the last run that was kept")
    parser.add_argument("--results", type=Path, default=HERE / "growth.jsonl")
    return parser.parse_args()


def _curve(
    scales: tuple[int, ...], measured: Callable[[int], dict[str, float]]
) -> dict[str, dict[int, float]]:
    curve: dict[str, dict[int, float]] = {}
    for scale in scales:
        for done, figure in measured(scale).items():
            curve.setdefault(done, {})[scale] = round(figure, 2)
    return curve


# S21: requests.


def requests(grows: str, scale: int) -> dict[str, float]:
    """CPU of a hit, of a hit nobody remembers, and of a miss, where there is so much of a thing."""
    with _stage() as play:
        host = GROWN[grows](play, scale)
        gc.collect()
        gc.freeze()  # as nodes do with what stays
        try:
            return {
                "hit": _least(play, lambda number: "/a", host, first="/a"),
                "hit of another line": _least(play, lambda n: f"/a?{n}", host, first="/a"),
                "miss": _least(play, lambda number: f"/m{number}", host, answered=True),
            }
        finally:
            gc.unfreeze()


@contextlib.contextmanager
def _stage() -> Iterator[Play]:
    play = Play(Scene(memory_bytes=1 << 30, policy=_POLICY, site={"cache_tag_header": "x-tags"}))
    try:
        yield play
    finally:
        play.close()


_POLICY = CachePolicy()  # no query in the key


def _least(
    play: Play, target: Callable[[int], str], host: str, *, first: str = "", answered: bool = False
) -> float:
    """The least CPU of a request in ROUNDS, in microseconds."""
    best, number = float("inf"), 0
    for path in filter(None, [first] * 3):
        _ask(play, path, host)
        with contextlib.suppress(AssertionError):
            play.origin.answers(200, "body", cache="max-age=600")
        play.loop.settle()
    for _ in range(ROUNDS):
        spent = 0.0
        for _ in range(REQUESTS):
            number += 1
            path = target(number)
            began = time.process_time()
            _ask(play, path, host)
            if answered:
                play.origin.answers(200, "body", cache="max-age=600")
                play.loop.settle()
            spent += time.process_time() - began
        play.viewer("a").transport.written.clear()
        best = min(best, spent / REQUESTS * 1e6)
    return best


def _ask(play: Play, path: str, host: str) -> None:
    play.viewer("a").sends(HEAD.format(path, host).encode())


def _many_distributions(play: Play, scale: int) -> str:
    behaviors = BEHAVIORS if scale <= 500 else BEHAVIORS_FEWER
    sites = tuple(_site(f"E{number}", behaviors) for number in range(scale - 1))
    frontend = play.listener.frontend
    last = _site("ELAST", BEHAVIORS)
    frontend.table = compile_routes(Config(distributions=(*sites, last)))
    return "elast.test"


def _site(id: str, behaviors: int) -> Distribution:
    origin = Origin(id="o", domain_name="origin.test")
    made = tuple(Behavior(path_pattern=f"/b{n}/*", origin="o") for n in range(behaviors))
    return Distribution(
        id=id, aliases=(f"{id.lower()}.test",), origins=(origin,), behaviors=made,
        default_behavior=Behavior(origin="o", cache_policy=_POLICY),
    )  # fmt: skip


def _many_invalidations(play: Play, scale: int) -> str:
    """Half of them paths of this distribution and of two dozen lengths with a wildcard."""
    marks = play.edge.world.marks
    for seq in range(1, scale + 1):
        path = f"/gone/{seq}" if seq % 2 else f"/g{'o' * (seq % 24)}ne/{seq}/*"
        marks.apply(Invalidation(seq, NOW, "EPLAY", ((ItemKind.PATH, path),)))
    return "site.test"


def _many_tags(play: Play, scale: int) -> str:
    """Of objects that are stored, a hundred each; half of them are invalidated."""
    marks = play.edge.world.marks
    for seq in range(1, scale // 2 + 1):
        marks.apply(Invalidation(seq, NOW, "EPLAY", ((ItemKind.TAG, f"t{seq}"),)))
    for number in range(max(1, scale // 100)):
        tags = b",".join(b"t%d" % (number * 100 + n) for n in range(100))
        _keep(play, number, ((b"x-tags", tags),))
    return "site.test"


def _many_objects(play: Play, scale: int) -> str:
    for number in range(scale):
        _keep(play, number)
    return "site.test"


def _keep(play: Play, number: int, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    path = b"/kept/%d" % number
    fields = ((b"content-length", b"1"), (b"cache-control", b"max-age=600"), *more)
    head = Response(200, b"OK", fields, play.clock(), play.clock())
    entry = Entry(b"5:EPLAY%d:%b" % (len(path), path), head, b"x")
    entry.mark = play.edge.world.marks.last
    play.edge.store.put(entry)


GROWN: dict[str, Callable[[Play, int], str]] = {
    "distributions": _many_distributions,
    "invalidations": _many_invalidations,
    "tags": _many_tags,
    "objects": _many_objects,
}
"""Makes so much of a thing; the host that is asked."""


# S22: changes.


@dataclass(slots=True)
class _Api:
    """CloudFront's operations on a control's state."""

    control: Kept
    services: ApiServices

    def run(self, operation: str, **given: Any) -> dict[str, Any]:
        """One operation, as the endpoint runs it: in one transaction."""
        call = OperationContext(self.services, given, operation=operation)
        work = actions()[operation].run
        return self.control.catalog.in_one_change(lambda: work(call))


@contextlib.contextmanager
def _api(scale: int) -> Iterator[_Api]:
    with TemporaryDirectory(prefix="edgecache-") as folder:
        quotas = Quotas(distributions=100_000)
        file = Config(control=Control(listen="127.0.0.1:1"), quotas=quotas)
        with kept(Path(folder), file) as control:
            behaviors = BEHAVIORS if scale <= 500 else BEHAVIORS_FEWER
            with control.catalog.changing():
                for number in range(scale):
                    control.catalog.put(_row(number, behaviors))
            barrier = Barrier(control.state, lambda: NOW)
            batches = Invalidations(control.state, control.log, barrier, lambda: NOW, bytes)
            yield _Api(control, ApiServices(control.catalog, batches, lambda _: True))


def _row(number: int, behaviors: int) -> Resource:
    made = distribution(f"E{number:013d}", [f"w{number}.test"], behaviors)
    return dataclass_replace(made, config=with_defaults(made.config))


def changes(scale: int) -> dict[str, float]:
    """CPU of a change over the API where there are so many distributions."""
    figures: dict[str, list[float]] = {}
    with _api(scale) as api:
        gc.collect()
        for number in range(ROUNDS + 1):
            config = _row(scale + number, BEHAVIORS).config
            create = partial(api.run, "CreateDistribution", DistributionConfig=config)
            made = _timed(figures, "create", create)
            given = {"Id": made["Distribution"]["Id"], "IfMatch": made["ETag"]}
            given["DistributionConfig"] = config | {"Comment": "another"}
            _timed(figures, "change", partial(api.run, "UpdateDistribution", **given))
        node = _Node(api)  # after them: it is another process
        for number in range(ROUNDS + 1, 2 * ROUNDS + 2):
            config = _row(scale + number, BEHAVIORS).config
            api.run("CreateDistribution", DistributionConfig=config)
            _timed(figures, "a node told of it", node.follow)
    return {done: min(times[1:]) * 1e6 for done, times in figures.items()}


def _timed(figures: dict[str, list[float]], done: str, work: Callable[[], Any]) -> Any:
    began = time.process_time()
    result = work()
    figures.setdefault(done, []).append(time.process_time() - began)
    return result


class _Node:
    """What a node does about a new configuration: reads control's page, and compiles its routes."""

    def __init__(self, api: _Api) -> None:
        self._live = api.control.log.live
        self._after, self._table = 0, compile_routes(Config())
        self._followed = FollowedConfiguration()
        self.follow()

    def follow(self) -> None:
        """Apply what is new."""
        page = read_page(
            msgspec.json.encode(self._live.after(self._after, held=self._followed.held))
        )
        for entry in page.entries:
            whole = self._followed.read(entry)
            self._table = compile_routes(read_configuration(whole), former=self._table)
            self._followed.was_applied(whole)
        self._after = page.upto


def draw(line: dict[str, Any], to: Path) -> None:
    """Draw the curves of a run: CPU by scale, both logarithmic. ImportError without matplotlib."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    curves = line["curves"]
    figure = Figure(figsize=(9, 2.2 * ((len(curves) + 1) // 2 + 1)), layout="constrained")
    axes = figure.subplots((len(curves) + 1) // 2, 2, squeeze=False).flatten()
    for place, (grows, curve) in zip(axes, curves.items(), strict=False):
        for done, by_scale in curve.items():
            place.plot([*map(int, by_scale)], [*by_scale.values()], marker="o", label=done)
        place.set_xscale("log")
        place.set_yscale("log")
        place.set_ylim(bottom=min(min(one.values()) for one in curve.values()) / 3)
        place.set_title(f"by {grows}", size=9)
        place.set_ylabel("µs of CPU", size=8)
        place.grid(visible=True, alpha=0.3)
        place.legend(fontsize=7)
    for place in axes[len(curves) :]:
        place.set_axis_off()
    told = f"{line['machine']['cpu']}, {line['date'][:10]}, {line['commit']}"
    figure.suptitle(f"CPU by what there is of a thing ({told})", size=9)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "growth"}):
        figure.savefig(to, metadata={"Date": None})


if __name__ == "__main__":
    raise SystemExit(main())
