"""Explanation of a request in a test: behavior, key, TTL and what each tier holds.

Law: it is the report of `edgecache explain`, shortened, and concludes nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgecache.control.rest.explain import ExplainReport
from edgecache.rules.explanation import KeyPart, StoredExplanation, TierExplanation


@dataclass(frozen=True, slots=True)
class SiteExplanation:
    """What edgecache makes of a request now. `report`: all of it, whose form may change."""

    report: ExplainReport

    @property
    def behavior(self) -> str:
        """The path pattern of the behavior, `*` for the default; empty where no site answers."""
        choice = self.report.rules.choice
        return "" if choice is None else choice.pattern

    @property
    def key(self) -> dict[str, str | None]:
        """The parts of the cache key, headers each with its name; empty: nothing is looked up."""
        return dict(map(_shown_part, self.report.rules.key_parts))

    @property
    def ttl_rule(self) -> str | None:
        """The rule that gave what is stored its lifetime, as `s-maxage` or `min-ttl`; None: nothing
        that answers is stored."""
        found = self._stored
        return None if found is None or not found.ttl else found.ttl[-1].rule

    @property
    def ttl_s(self) -> float | None:
        """That lifetime in seconds."""
        found = self._stored
        return None if found is None else found.ttl_s

    @property
    def refused(self) -> str:
        """Why the request may not enter; empty when it may."""
        return self.report.rules.admission.why

    @property
    def origin(self) -> str:
        """The id of the origin that a miss asks first; empty when none is asked."""
        return "" if self.report.origin is None else self.report.origin.origin

    @property
    def _stored(self) -> StoredExplanation | None:
        held = (one for tier in self.tiers for one in tier.stored if one.answers)
        return next(held, None)

    @property
    def tiers(self) -> list[TierExplanation]:
        """What each process would do, edges first."""
        return [node for place in self.report.places for node in place.nodes]

    def lines(self) -> Iterator[str]:
        """For people: a line for each thing."""
        rules = self.report.rules
        if rules.choice is None:
            yield "no distribution answers to this host"
            return
        yield f"behavior {self.behavior} of {rules.choice.distribution}"
        if rules.admission.status:
            yield f"refused: {rules.admission.status} {rules.admission.why}"
        if rules.bypass:
            yield f"no key: {rules.bypass}"
        else:
            yield "key: " + ", ".join(f"{name}={value}" for name, value in self.key.items())
        for tier in self.tiers:
            words = f"{tier.node}: {tier.now} {tier.why}".rstrip()
            stored = [f"{one.status}, {one.ttl_left_s:g} s left" for one in tier.stored]
            yield f"{words} ({'; '.join(stored) or 'nothing stored'})"

    def __str__(self) -> str:
        return "\n".join(self.lines())


def _shown_part(part: KeyPart) -> tuple[str, str | None]:
    """The name and the value of a part, whose values are a name and a value, or many of both."""
    values = part.values
    if part.name == "header":
        return f"header {values[0]}", values[1]
    if len(values) < 2:
        return part.name, values[0] if values else None
    pairs = zip(values[::2], values[1::2], strict=True)
    shown = [str(name) if value is None else f"{name}={value}" for name, value in pairs]
    return part.name, ("; " if part.name == "cookies" else "&").join(shown)
