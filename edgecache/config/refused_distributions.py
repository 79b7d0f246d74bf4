"""Distributions that ask for an unsupported feature: they answer 503, and stop no other (law).

`aws/unsupported.py` decides which members are refused. An installation that starts on such a
distribution serves all others, until it asks no more or the file says `unsupported = "ignore"` at
its root.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from msgspec.structs import replace

from edgecache.config.aws.unsupported import UNSUPPORTED, Unsupported, refused_of, unsupported_of
from edgecache.config.model import Config, Distribution, UnavailableSite
from edgecache.config.problems import Problem

WAY_OUT = 'unsupported = "ignore" at the file\'s root serves it without'


def refused_members(distribution: Distribution, config: Config) -> tuple[Unsupported, ...]:
    """Members that a distribution may not ask for under `config`.

    Those that stop nothing do not keep one from being served which asks for them already.
    """
    if config.unsupported == "ignore":
        return ()
    return refused_of(
        distribution,
        geo=bool(config.geo_database),
        log_buckets=log_buckets(config),
        shields=shield_names(config),
    )


def log_buckets(config: Config) -> frozenset[str]:
    """The buckets that logs are delivered to."""
    return frozenset(one.bucket for one in config.log_delivery.buckets)


def shield_names(config: Config) -> frozenset[str] | None:
    """What an origin shield may name: see `unsupported`."""
    tier = config.regional_tier
    if len(tier) == 1:
        return None
    return frozenset(word for one in tier for word in (one.name, one.region) if word)


def ignored_members(distribution: Distribution, config: Config) -> tuple[Unsupported, ...]:
    """Members that a distribution is served without: its operator is told."""
    members = unsupported_of(
        distribution,
        geo=bool(config.geo_database),
        log_buckets=log_buckets(config),
        shields=shield_names(config),
    )
    ignored = config.unsupported == "ignore"
    return tuple(one for one in members if ignored or not (one.refused and one.member.stops))


def names_of(distribution: Distribution) -> tuple[str, ...]:
    """The host names a distribution answers to."""
    return tuple(name for name in (distribution.domain_name, *distribution.aliases) if name)


def unavailable_site(distribution: Distribution, reasons: Iterable[str]) -> UnavailableSite:
    """The site that answers 503 for a distribution that is not served."""
    return UnavailableSite(
        id=distribution.id,
        names=names_of(distribution),
        reasons=tuple(reasons),
        enabled=distribution.enabled,
        certificate_file=distribution.viewer_certificate.certificate_file,
        key_file=distribution.viewer_certificate.key_file,
    )


def unavailable_reasons(config: Config, id: str) -> list[str]:
    """Why a distribution answers 503 under a composed configuration; empty: it is served."""
    return [why for one in config.unavailable if one.id == id for why in one.reasons]


def without_refused(config: Config) -> Config:
    """`config` with every distribution that is refused among the unavailable ones."""
    judged = [
        (one, [why for why in refused_members(one, config) if why.member.stops])
        for one in config.distributions
    ]
    if not any(why for _, why in judged):
        return config
    return replace(
        config,
        distributions=tuple(one for one, why in judged if not why),
        unavailable=(
            *config.unavailable,
            *(unavailable_site(one, map(str, why)) for one, why in judged if why),
        ),
    )


def refusal_problems(config: Config, adopted: Collection[str] = ()) -> list[Problem]:
    """A problem for each member that is refused of the file's distributions.

    What the file says of an adopted one does not count.
    """
    return [
        Problem(f"distributions[{index}]({distribution.id}).{one.place}", one.message)
        for index, distribution in enumerate(config.distributions)
        if distribution.id not in adopted
        for one in refused_members(distribution, config)
    ]


def ignored_member_problems(config: Config, adopted: Collection[str] = ()) -> list[Problem]:
    """A warning for each member that the file's distributions, the adopted apart, go without."""
    return [
        Problem(f"distributions[{index}]({distribution.id}).{one.place}", one.message)
        for index, distribution in enumerate(config.distributions)
        if distribution.id not in adopted
        for one in ignored_members(distribution, config)
        if config.unsupported == "ignore" or not one.refused
    ]


def start_lines(config: Config) -> Iterator[str]:
    """Lines for standard error when an installation starts on a composed configuration.

    One for each distribution that is not served, and one for all that others are served without.
    """
    for site in config.unavailable:
        way_out = f" ({WAY_OUT})" if any(UNSUPPORTED in why for why in site.reasons) else ""
        yield f"distribution {site.id} answers 503: {'; '.join(site.reasons)}{way_out}"
    members: dict[str, set[str]] = {}
    for distribution in config.distributions:
        for one in ignored_members(distribution, config):
            members.setdefault(one.member.place, set()).add(distribution.id)
    if members:
        counted = ", ".join(f"{place} ({len(ids)})" for place, ids in members.items())
        yield f"not supported, and served without (distributions): {counted}"
