"""Cache of distributions as they were read and checked, from one composition to the next.

Law: what comes from it is what reading and checking again would give. A document, the policies it
may name, or what the file says of it changes: it is read anew, and checked as if it were new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgecache.config.aws.policies import Policies
from edgecache.config.model import Distribution, Release
from edgecache.control.state.resources import Resource


@dataclass(slots=True)
class DistributionCache:
    """For one catalog. Without one (or with a new one) everything is read and checked.

    Entries are found by id and hold what they were made of.
    """

    _basis: tuple[Policies, bool] | None = None  # what every document was read with
    _read: dict[str, tuple[Resource, Distribution]] = field(default_factory=dict)
    _finished: dict[str, tuple[Distribution, tuple[Release, ...], Distribution]] = field(
        default_factory=dict
    )
    _good: dict[str, Distribution] = field(default_factory=dict)

    def begin(self, policies: Policies, *, private: bool) -> None:
        """Documents are read with these from now on; `private`: see `origin_reach`."""
        if self._basis != (policies, private):
            self._basis = (policies, private)
            self._read = {}

    @property
    def policies(self) -> Policies:
        """What documents are read with."""
        return Policies() if self._basis is None else self._basis[0]

    def read(self, one: Resource, read: Callable[[Resource], Distribution]) -> Distribution:
        """The distribution a resource describes; what `read` raises is raised each time."""
        known = self._read.get(one.id)
        if known is None or not _is_same(known[0], one):
            known = self._read[one.id] = (one, read(one))
        return known[1]

    def finished(
        self,
        one: Distribution,
        releases: tuple[Release, ...],
        finish: Callable[[Distribution, tuple[Release, ...]], Distribution],
    ) -> Distribution:
        """What `finish` makes of a distribution and its releases."""
        known = self._finished.get(one.id)
        if known is None or known[0] is not one or known[1] != releases:
            known = self._finished[one.id] = (one, releases, finish(one, releases))
        return known[2]

    def is_good(self, one: Distribution) -> bool:
        """Whether it has passed the checks that need no other one."""
        return self._good.get(one.id) is one

    def passed_alone(self, one: Distribution) -> None:
        """It is in such a configuration beside those that were."""
        self._good[one.id] = one

    def forget(self, id: str) -> None:
        """There is none with this id any more, or another is in its place."""
        self._read.pop(id, None)
        self._finished.pop(id, None)
        self._good.pop(id, None)

    def passed(self, served: Sequence[Distribution]) -> None:
        """These are in a configuration that has passed every check; others are forgotten."""
        self._good = {one.id: one for one in served}
        self._read = {id: entry for id, entry in self._read.items() if id in self._good}
        self._finished = {id: entry for id, entry in self._finished.items() if id in self._good}


def _is_same(one: Resource, other: Resource) -> bool:
    """Whether two resources make the same distribution; nobody changes one that is here."""
    if one is other:
        return True
    facts = (one.config, one.tags, one.domain_name)
    return facts == (other.config, other.tags, other.domain_name)
