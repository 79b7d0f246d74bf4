"""Health of an installation, as control can tell: what is dead, failing, or off.

Law: a line for each thing somebody should look at, and none for what an operator has asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgecache.config.model import Config
from edgecache.control.nodes.registry import ALIVE_S
from edgecache.runtime.inherited import Unready

CLOCK_OFF_S_MAX = 2.0  # far beyond NTP; a signed URL or a lease means something else by then
_NOT_A_PROBLEM = frozenset({Unready.DRAINING, Unready.STARTING})


def installation_problems(
    config: Config, nodes: Sequence[Mapping[str, Any]], running_s: float
) -> list[str]:
    """A line for each problem. `nodes` as `/nodes` lists them; control runs for `running_s`."""
    lines = [line for node in nodes for line in _node_problems(node)]
    if running_s > ALIVE_S:
        lines += _missing(config, nodes)
    return lines


def expected(config: Config) -> list[str]:
    """The nodes that a file asks for: locations, and the regional cache."""
    regional = ["regional"] if config.regional is not None else []
    return [*(location.name for location in config.locations), *regional]


def _node_problems(node: Mapping[str, Any]) -> Iterator[str]:
    name = f"{node['name']}@{node['machine']}" if node["machine"] else node["name"]
    if not node["alive"]:
        yield f"{name}: has not reported for {node['seen_s_ago']:.0f} s"
        return
    for word, detail in node["unready"].items():
        if word not in _NOT_A_PROBLEM:
            yield f"{name}: {detail}"
    if node["disk_failing"]:
        yield f"{name}: its disk fails"
    if abs(node["clock_off_s"]) > CLOCK_OFF_S_MAX:
        ahead = "behind" if node["clock_off_s"] > 0 else "ahead of"
        off_s = abs(node["clock_off_s"])
        yield f"{name}: its clock is {off_s:.1f} s {ahead} control's; set both by NTP"


def _missing(config: Config, nodes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Those of the file of which no process has reported lately; silent ones are told above."""
    labels = {node["location"] or node["role"] for node in nodes}
    for label in expected(config):
        if label not in labels:
            what = "the regional cache" if label == "regional" else f"location {label}"
            yield f"{what}: no process of it reports"
