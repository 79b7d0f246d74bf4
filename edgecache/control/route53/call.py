"""One call of an operation: its input and services, and what operations share.

A change is PENDING until every name server has acknowledged its number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgecache.cluster.dns_zones import DnsZoneContent
from edgecache.config.dns import DnsSettings
from edgecache.control.cloudfront.context import ApiServices
from edgecache.control.route53.model import PAGE_MAX, Route53Error
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.database import BY_CONTROL, Authorship
from edgecache.control.state.hosted_zones import HostedZones, ZoneChangeRecord

Document = dict[str, Any]
PENDING, INSYNC = "PENDING", "INSYNC"


def _everything() -> int:
    return 2**63 - 1


def _nothing() -> Collection[str]:
    return ()


class TestedQuestion(NamedTuple):
    """A question of a resolver for records of a type by name; `subnet` "": it tells none."""

    name: str
    type: str
    resolver: str
    subnet: str


class TestedAnswer(NamedTuple):
    """What it is answered: the response code by name, and values as in a zone file."""

    rcode: str
    data: tuple[str, ...]


AnswerTester = Callable[[str, DnsZoneContent | None, TestedQuestion, Collection[str]], TestedAnswer]
"""The answer of the zone of a name, of the API's content or (None) the file's, to a question while
these are down: see `ResponderWorld`."""


@dataclass(frozen=True, slots=True)
class Route53Services:
    """Services of operations. `acknowledged` gives the number of the log up to which every name
    server answers, `down` what is down of what records lead to; both are asked on the loop.
    """

    api: ApiServices
    acknowledged: Callable[[], int] = _everything
    down: Callable[[], Collection[str]] = _nothing
    tester: AnswerTester | None = None  # None: answers are not tested here


@dataclass(frozen=True, slots=True)
class Route53Call:
    """An operation's input by member; `base` is the URL the caller reached the API by.

    `acknowledged`: what all name servers had when it came. `author` calls `operation`.
    """

    services: Route53Services
    input: Document
    base: str = ""
    acknowledged: int = 0
    down: Collection[str] = ()
    author: str = BY_CONTROL
    operation: str = ""

    @property
    def catalog(self) -> Catalog:
        return self.services.api.catalog

    @property
    def zones(self) -> HostedZones:
        """What the API has made."""
        return self.catalog.zones

    @property
    def settings(self) -> DnsSettings | None:
        """`[dns]` of the file."""
        return self.catalog.file.dns

    def by(self, subject: str) -> Authorship:
        """Who writes with this call, and what: the operation, and what it is about."""
        return Authorship(self.author, f"{self.operation} {subject}".strip())


Run = Callable[[Route53Call], Document]
"""Does one operation and gives its output by member. ApiError when it is refused."""


def plain_id(text: str) -> str:
    """An id without the kind before it, as in `/hostedzone/Z1`."""
    return text.rpartition("/")[2]


def page_size(given: Any, most: int = PAGE_MAX) -> int:
    """Items of a page: `MaxItems` within bounds. InvalidInput."""
    if given is None or given == "":
        return most
    if not re.fullmatch(r"[0-9]{1,9}", str(given)) or int(given) == 0:
        raise Route53Error("InvalidInput", "The parameter MaxItems must be a number above 0.")
    return min(int(given), most)


def unsupported(member: str, why: str) -> Route53Error:
    """What an operation is asked for and is not done here: it is refused."""
    return Route53Error("InvalidInput", f"The parameter {member} is not supported: {why}.")


def operations() -> dict[str, Run]:
    """The operations on changes, by name."""
    return {"GetChange": get_change}


def get_change(call: Route53Call) -> Document:
    id = plain_id(call.input["Id"])
    found = call.zones.get_change(id)
    if found is None:
        raise Route53Error("NoSuchChange", f"A change with the specified id does not exist: {id}")
    return {"ChangeInfo": change_info(call, found)}


def change_info(call: Route53Call, change: ZoneChangeRecord) -> Document:
    """A change as the API has it."""
    info: Document = {
        "Id": f"/change/{change.id}",
        "Status": INSYNC if change.seq <= call.acknowledged else PENDING,
        "SubmittedAt": change.at,
    }
    return info | ({"Comment": change.comment} if change.comment else {})
