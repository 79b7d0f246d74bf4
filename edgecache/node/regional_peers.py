"""The regional caches as a process of ours asks them, by the newest configuration.

Law: who is one of them is control's to say, by the log, so that all edges choose alike under the
same number. What a file says counts until then, and where it has the only one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from edgecache.cluster.certificates import CertificateFile, server_name
from edgecache.config.listen import Address, UnixAddress, advertised, speaks_tls
from edgecache.config.model import Config, RegionalCache
from edgecache.node.readiness import Probe, regional_probe
from edgecache.rules.rendezvous import by_region
from edgecache.runtime.stderr_log import warn
from edgecache.upstream.endpoint import Endpoint, TlsName
from edgecache.upstream.interface import Upstream
from edgecache.upstream.peer.origin_shield import ShieldedOrigins
from edgecache.upstream.peer.peer import PeerSpelling, PeerUpstream
from edgecache.upstream.peer.regional_tier import DrainedCaches, RegionalPeer, RegionalTier
from edgecache.upstream.pool import Pool
from edgecache.upstream.tunnel import TunnelsDirect

PEER_CONNECTION_S_MAX = 60.0  # by TLS: a certificate that was revoked or renewed is noticed


@dataclass(frozen=True, slots=True)
class PeerWorld:
    """What asking a peer takes. `signer`: what signs for a place; `held`: this machine's
    certificate, where anything here needs one."""

    pool: Pool
    signer: Callable[[str], Callable[[bytes], bytes]]
    marks: PeerSpelling
    held: CertificateFile | None


@dataclass(slots=True, eq=False)
class RegionalPeers:
    """The peers of one process, which started with `file`. `use` tells what control published."""

    world: PeerWorld
    file: Config
    drained: DrainedCaches = field(default_factory=DrainedCaches)
    probes: Sequence[Probe] = ()  # of those that are asked
    _peers: dict[tuple[str, Endpoint], PeerUpstream] = field(default_factory=dict)
    _followers: list[Callable[[Config], None]] = field(default_factory=list)
    _used: tuple[object, ...] = ()

    def use(self, config: Config) -> None:
        """Ask the regional caches of `config` from now on."""
        config = self._own(config)
        used = (config.regional_tier, config.hash_balance_factor, config.cluster)
        if used == self._used:
            return
        self._used = used
        config = self._without_unreachable(config)
        asked = dict.fromkeys(self._key(one, config) for one in config.regional_tier)
        self._peers = {key: one for key, one in self._peers.items() if key in asked}
        for follower in self._followers:
            follower(config)

    def edge_upstream(self, region: str, direct: Upstream) -> TunnelsDirect:
        """What an edge of a region asks; `direct`: the origins."""
        upstream = TunnelsDirect(direct, direct)

        def follow(config: Config) -> None:
            upstream.inner = self._tier(config, region, direct)
            self.probes = [self._probe(one, config) for one in config.regional_tier]

        self._followers.append(follow)
        return upstream

    def shielded(
        self, own: RegionalCache, origins: Upstream, is_regional: Callable[[str], bool]
    ) -> ShieldedOrigins:
        """What the regional cache `own` asks: the origins, or other regional caches for some."""
        upstream = ShieldedOrigins(origins, is_regional)

        def follow(config: Config) -> None:
            upstream.shields = self._shields(config, own, origins)

        self._followers.append(follow)
        return upstream

    def _own(self, config: Config) -> Config:
        """`config`, with the only regional cache where this machine's file has it."""
        if config.regional is None or self.file.regional is None:
            return replace(config, state_dir=self.file.state_dir)
        return replace(config, state_dir=self.file.state_dir, regional=self.file.regional)

    def _without_unreachable(self, config: Config) -> Config:
        """Without those by TLS where this process has no certificate: they would refuse it."""
        if self.world.held is not None:
            return config
        beyond = [one for one in config.regional_caches if speaks_tls(one, config)]
        for one in beyond:
            warn(
                f"{one.place} is not asked: it speaks TLS, and this process began without a "
                "certificate; start it anew"
            )
        caches = tuple(one for one in config.regional_caches if one not in beyond)
        return replace(config, regional_caches=caches)

    def _tier(self, config: Config, region: str, direct: Upstream) -> Upstream:
        caches = config.regional_tier
        if not caches:
            return direct
        if len(caches) == 1:
            fallback = direct if caches[0].when_down == "origin" else None
            return self._peer(caches[0], config).with_fallback(fallback)
        near, far = by_region(caches, region)
        return RegionalTier(
            self._members(near, config, direct),
            self._members(far, config, direct),
            self.drained,
            config.hash_balance_factor,
        )

    def _members(
        self, caches: Collection[RegionalCache], config: Config, direct: Upstream
    ) -> list[RegionalPeer]:
        return [
            RegionalPeer(
                one.name,
                self._peer(one, config),
                direct if one.when_down == "origin" else None,
                one.weight,
            )
            for one in caches
        ]

    def _shields(
        self, config: Config, own: RegionalCache, origins: Upstream
    ) -> dict[str, Upstream | None]:
        """What shields by each name and region; the origin is asked when the shield is away."""
        caches = config.regional_tier
        shields: dict[str, Upstream | None] = {}
        for word in {word for one in caches for word in (one.name, one.region) if word}:
            those = [one for one in caches if word in (one.name, one.region)]
            if any(one.name == own.name for one in those):
                shields[word] = None
                continue
            members = [
                RegionalPeer(one.name, self._peer(one, config), origins, one.weight)
                for one in those
            ]
            shields[word] = RegionalTier(members, (), self.drained, config.hash_balance_factor)
        return shields

    def _peer(self, cache: RegionalCache, config: Config) -> PeerUpstream:
        key = self._key(cache, config)
        if key not in self._peers:
            sign, marks = self.world.signer(cache.place), self.world.marks
            self._peers[key] = PeerUpstream(self.world.pool, key[1], sign, None, marks)
        return self._peers[key]

    def _key(self, cache: RegionalCache, config: Config) -> tuple[str, Endpoint]:
        endpoint = endpoint_of(advertised(cache, config.state_dir))
        if self.world.held is None or not speaks_tls(cache, config):
            return cache.place, endpoint
        tls = peer_tls_name(self.world.held, cache.place)
        return cache.place, replace(endpoint, tls=tls, connection_s_max=PEER_CONNECTION_S_MAX)

    def _probe(self, cache: RegionalCache, config: Config) -> Probe:
        address = advertised(cache, config.state_dir)
        return regional_probe(address, self._peer(cache, config).is_silent)


def peer_tls_name(held: CertificateFile, place: str) -> TlsName:
    """How a regional cache is known, and we to it."""
    path = str(held.path)
    return TlsName(server_name(place), str(held.authority), path, path, "TLSv1.3")


def endpoint_of(address: Address) -> Endpoint:
    """The endpoint of a peer that listens at `address`."""
    if isinstance(address, UnixAddress):
        return Endpoint("regional", 0, path=address.path, idle_s=60)
    return Endpoint(address.host, address.port, idle_s=60)
