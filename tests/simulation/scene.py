"""How a world is set up, and the configuration that says so."""

from __future__ import annotations

from dataclasses import dataclass

from edgecache.config.model import (
    Behavior,
    CachePolicy,
    Config,
    CustomErrorResponse,
    Distribution,
    HeaderSelection,
    Location,
    Origin,
    RegionalCache,
    Selection,
    SemanticsName,
)

SITE = "ESIM"


@dataclass
class Scene:
    """How a world is set up."""

    semantics: SemanticsName = "cloudfront"
    edges: int = 3
    memory_bytes: int = 64 * 1024 * 1024
    when_down: str = "origin"
    controls: tuple[str, ...] = ("control",)  # several share a database of two servers
    drift: float = 0.0  # a process's clock may be off by so much of itself, either way
    rates: tuple[tuple[str, float], ...] = ()  # of the clocks of these places
    ttl_s_max: int = 31_536_000
    serves: bool = False
    disk: bool = False  # the regional cache has one, and finds it again
    failures_s: int = 10  # how long failures are remembered: ErrorCachingMinTTL


def config_of(scene: Scene) -> Config:
    """One distribution that answers to site.test."""
    queries = Selection(behavior="all")
    policy = CachePolicy(query_strings=queries, ttl_s_max=scene.ttl_s_max)
    if scene.semantics == "rfc9111":
        host = HeaderSelection(behavior="whitelist", items=("Host",))
        policy = CachePolicy(headers=host, query_strings=queries, ttl_s_max=scene.ttl_s_max)
    site = Distribution(
        id=SITE,
        domain_name="dsim.cloudfront.net",
        aliases=("site.test",),
        origins=(Origin(id="o", domain_name="origin.test"),),
        default_behavior=Behavior(origin="o", cache_policy=policy),
        semantics=scene.semantics,
        cache_tag_header="Cache-Tag",
        custom_error_responses=tuple(
            CustomErrorResponse(error_code=status, error_caching_ttl_s_min=scene.failures_s)
            for status in (502, 503, 504)
        ),
    )
    return Config(
        distributions=(site,),
        regional=RegionalCache(when_down=scene.when_down),  # type: ignore[arg-type]
        locations=(Location(name="L", listen="127.0.0.1:1", memory_bytes=scene.memory_bytes),),
        on_partition="serve" if scene.serves else "revalidate",
    )
