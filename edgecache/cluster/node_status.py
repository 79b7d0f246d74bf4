"""Status that a node reports to control: what it is, what it runs on, and its counters."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgecache.cluster.log_readers import LogSubscription
from edgecache.config.health_checks import CHECKS_MAX
from edgecache.health.verdict import CheckerOpinion
from edgecache.observe.counters import Sample
from edgecache.observe.distribution_counters import BehaviorSample

Word = Annotated[str, msgspec.Meta(max_length=64)]
Name = Annotated[str, msgspec.Meta(max_length=255)]
Line = Annotated[str, msgspec.Meta(max_length=300)]
Key = Annotated[str, msgspec.Meta(max_length=640)]  # an id, a path pattern of 255, and a result
Reason = Annotated[str, msgspec.Meta(max_length=1_024)]
Opinions = Annotated[dict[Word, CheckerOpinion], msgspec.Meta(max_length=CHECKS_MAX)]
Number = Annotated[int, msgspec.Meta(ge=0)]


class ReportAnswer(msgspec.Struct, frozen=True):
    """Control's answer to a report: the generation there is, and whether viewers go elsewhere.

    `drained_caches` are the regional caches that are to be asked last, by name; `log_readers` who
    reads the logs of nodes as they come; `closed_locations` those that are away or drain, and
    `unhealthy_checks` what records and origins are down by, for who chooses among them.
    """

    generation: int = 0
    drain: bool = False
    drained_caches: tuple[str, ...] = ()
    log_readers: tuple[LogSubscription, ...] = ()
    closed_locations: tuple[str, ...] | None = None  # it does not say: as it was
    unhealthy_checks: tuple[str, ...] | None = None  # health checks by id; the same


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A node's report: its role and place, the generation it runs on, and its counters.

    `instance` as in `lease.Instance`; `address` as written in its file, where control may ask it.
    """

    role: Word
    location: Word = ""
    instance: Word = ""
    address: Line = ""
    pid: Number
    generation: Number
    sample: Sample
    behaviors: dict[Key, BehaviorSample] = {}  # see `DistributionTable.behaviors`
    store_oldest_s: float | None = None  # since the oldest entry came; None: there is none
    certificates: dict[Name, float] = {}  # when those read from files end (epoch seconds)
    certificate_begins: dict[Name, float] = {}  # since when they are valid
    unready: dict[Word, Reason] = {}  # why it is not ready, by word (`runtime/inherited.py`)
    clock: float = 0.0  # its wall clock when it reports, epoch seconds; 0: it does not say
    release: Word = ""  # of edgecache; one that says none is of a former one
    applied: Number = 0  # of a name server: the number of the log up to which its zones answer
    reset: Number = 0  # dev mode: the number of the reset that it began anew with
    health_checks: Opinions = {}  # of the process that asks for its location, by id
    leaving: bool = False  # another process of this name serves now, and it finishes what it has

    def __post_init__(self) -> None:
        for name, histogram in self.sample["histograms"].items():
            bounds, counts = histogram["bounds"], histogram["counts"]
            if len(counts) != len(bounds) + 1 or bounds != sorted(bounds):
                raise ValueError(f"sample.histograms.{name}: bounds and counts do not agree")

    @property
    def label(self) -> str:
        """Label its counters are summed under: its location, or its role where it has none."""
        return self.location or self.role
