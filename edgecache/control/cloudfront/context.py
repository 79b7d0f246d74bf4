"""Context of one operation: its input and services, and what operations share.

Pages are API reference's Marker, NextMarker, MaxItems, IsTruncated, Quantity.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from edgecache.config.functions import FunctionConfig
from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.nodes.health_checks import HealthCheckStatuses
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.database import BY_CONTROL, Authorship
from edgecache.control.state.database_thread import StateRun, run_inline
from edgecache.control.state.invalidations import Invalidations
from edgecache.control.state.resources import Resource, ResourceKind

T = TypeVar("T")

READS = frozenset({"GET", "HEAD"})  # methods of operations that change nothing
ACCOUNT = "000000000000"  # there is one account here; ARNs want twelve digits


class FunctionTestResult(Protocol):
    """What a run of a function on a test's event gave; `error` empty: it went well."""

    @property
    def result(self) -> Any: ...

    @property
    def error(self) -> str: ...

    @property
    def logs(self) -> Sequence[str]: ...

    @property
    def utilization(self) -> int:
        """Percent of the time that a run may take."""
        ...


FunctionTester = Callable[[FunctionConfig, dict[str, Any]], FunctionTestResult]
"""Runs a function on an event, which is complete."""


@dataclass(frozen=True, slots=True)
class ApiServices:
    """Services of operations. `deployed` says whether every node runs a generation or a later.

    Operations are run by `run`, in the thread of the state.
    """

    catalog: Catalog
    invalidations: Invalidations
    deployed: Callable[[int], bool]
    run: StateRun = run_inline
    test_function: FunctionTester | None = None  # None: there is no engine
    settled: Callable[[], Awaitable[object]] | None = None  # dev mode: waits until nodes know all
    health_checks: HealthCheckStatuses | None = None  # None: no node reports here

    async def change(self, work: Callable[[], T]) -> T:
        """Run an operation that may write: no other control writes while it reads what is there."""
        result = await self.run(partial(self.catalog.in_one_change, work))
        if self.settled is not None:
            await self.settled()
        return result


@dataclass(frozen=True, slots=True)
class OperationContext:
    """An operation's input by member; `base` is the URL the caller reached the API by.

    `unsupported` are places of members that the resource is served without: the answer names them.
    `author` calls the operation of the name `operation`: what is kept with what it writes.
    """

    services: ApiServices
    input: dict[str, Any]
    base: str = ""
    unsupported: list[str] = field(default_factory=list)
    author: str = BY_CONTROL
    operation: str = ""

    @property
    def catalog(self) -> Catalog:
        return self.services.catalog

    def by(self, subject: str) -> Authorship:
        """Who writes with this call, and what: the operation, and what it is about."""
        return Authorship(self.author, f"{self.operation} {subject}".strip())

    @contextlib.contextmanager
    def changing(self, subject: str) -> Iterator[None]:
        """See `Catalog.changing`."""
        with self.catalog.changing(self.by(subject)):
            yield


Run = Callable[[OperationContext], dict[str, Any]]
"""Does one operation and gives its output by member. ApiError when it is refused."""


def kind_words(kind: ResourceKind) -> str:
    """A kind in words, like `cache policy`."""
    return kind.replace("-", " ")


def arn(resource: Resource) -> str:
    """The Amazon Resource Name of a resource."""
    return f"arn:aws:cloudfront::{ACCOUNT}:{resource.kind}/{resource.id}"


ITEMS_MAX = 100  # CloudFront's default and its bound


def page(
    given: dict[str, Any],
    items: Sequence[T],
    key: Callable[[T], str],
    shown: Callable[[T], Any],
) -> dict[str, Any]:
    """The part of `items` that `Marker` and `MaxItems` ask for; a marker is the last key seen.

    `items` are sorted by `key`. A marker of something deleted since still works.
    """
    most = page_size(given.get("MaxItems"))
    marker = str(given.get("Marker") or "")
    rest = [item for item in items if key(item) > marker]
    chosen = rest[:most]
    listed = {
        "Marker": marker,
        "MaxItems": most,
        "IsTruncated": len(rest) > most,
        "Quantity": len(chosen),
    }
    if chosen:
        listed["Items"] = [shown(item) for item in chosen]
    if len(rest) > most:
        listed["NextMarker"] = key(chosen[-1])
    return listed


def page_size(given: Any) -> int:
    """Items of a page: `MaxItems` within bounds."""
    if given is None or given == "":
        return ITEMS_MAX
    if not re.fullmatch(r"[0-9]{1,9}", str(given)) or int(given) == 0:
        raise ApiError("InvalidArgument", "The parameter MaxItems must be a whole number above 0.")
    return min(int(given), ITEMS_MAX)
