"""Node construction from a configuration: an edge worker, the regional cache, a lone tier."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from random import random

from msgspec.structs import replace

from edgecache.cache.environment import TierEnvironment, via_pseudonym
from edgecache.cache.frontend import FrontendEnvironment, ViewerFrontend
from edgecache.cache.peer_frontend import Frontend, PeerFrontend
from edgecache.cache.tier import Tier
from edgecache.cluster.certificates import CertificateFile
from edgecache.cluster.control_access import installation_addresses
from edgecache.cluster.credentials import (
    CONTROL,
    REGIONAL,
    CredentialSigner,
    CredentialVerifier,
    is_regional,
    place_of,
)
from edgecache.config.listen import (
    parse_listen,
    speaks_tls,
    viewer_ports,
)
from edgecache.config.model import Config, Disk, Location, LogBucket, RegionalCache
from edgecache.config.origin_map import with_mapped_origins
from edgecache.config.refused_distributions import without_refused
from edgecache.config.secrets import KeyPair, secrets_path
from edgecache.functions.origin_triggers import OriginTold, OriginTriggers
from edgecache.http.function_cache import cached_bytes
from edgecache.node.certificate_renewal import CertificateRenewal
from edgecache.node.certificate_watch import AcmeFollower, CertificateWatch
from edgecache.node.control_clients import control_client, control_endpoints
from edgecache.node.control_contact import ControlContact
from edgecache.node.control_endpoints import ControlEndpoints
from edgecache.node.control_purger import ControlPurger
from edgecache.node.edge_functions import EdgeFunctions, lambda_runner
from edgecache.node.geoip import PlaceOf, geo_lookup, no_place
from edgecache.node.health_checks import location_health_checks
from edgecache.node.inspect import Inspector
from edgecache.node.key_value_files import KeyValueFiles
from edgecache.node.key_values import KeyValueFollower
from edgecache.node.last_configuration import (
    LastConfigurationFile,
    last_configuration_path,
    last_served,
)
from edgecache.node.log_delivery import SPOOL_NAME, DeliveryWorld, LogDeliverer
from edgecache.node.log_follower import FollowerEnvironment, LogFollower
from edgecache.node.log_outputs import LogOwner, flow_log_file, log_outputs, log_retention
from edgecache.node.log_readers import node_log_readers
from edgecache.node.log_store import LogFolder, LogStore, S3Bucket, environment_key_pair
from edgecache.node.node import Node
from edgecache.node.password_checks import PasswordChecks
from edgecache.node.readiness import tier_probe
from edgecache.node.realtime_logs import RealtimeLogs, realtime_logs
from edgecache.node.regional_peers import PeerWorld, RegionalPeers
from edgecache.node.reserve import with_reserve
from edgecache.node.reset import NodeReset
from edgecache.node.rule_files import RuleFileWatch
from edgecache.node.secret_watch import SecretWatch
from edgecache.node.span_export import span_exports
from edgecache.observe import access_log
from edgecache.observe.counters import Counters
from edgecache.observe.flow_log import FlowLog
from edgecache.observe.log_record import HEADER
from edgecache.observe.log_spool import LogSpool, unique_name
from edgecache.observe.spool_folder import SpoolFolder
from edgecache.rules.origin_addresses import Listeners
from edgecache.rules.routing import NO_FILES, compile_routes
from edgecache.rules.viewer.rate_limits import TokenBuckets, own_buckets
from edgecache.rules.viewer.trusted_proxies import TrustedProxies
from edgecache.runtime.dev_mode import DevMode, clocks_of
from edgecache.runtime.environment import (
    DaemonThread,
    DiskThreads,
    LoneThread,
    Tasks,
    machine_name,
    pause,
    random_bytes,
    steady_clock,
    wall_clock,
)
from edgecache.runtime.fd_limit import DescriptorBudget, soft_limit
from edgecache.runtime.process_usage import ProcessUsage
from edgecache.runtime.shared_words import SECRET_BYTES, inherited_shared_words
from edgecache.server.flow_monitor import FlowMonitor
from edgecache.server.http1.head_cache import ANSWERS_MAX, BLOCKS_MAX, HeadCache
from edgecache.server.http1.head_cache_peer import PeerHeadCache
from edgecache.server.http1.miss_plans_peer import plan_misses
from edgecache.server.http2.head_cache import Http2HeadCache
from edgecache.server.listener import Listener
from edgecache.server.location_access import LocationAccess
from edgecache.server.peer_tls import PeerTlsPort
from edgecache.server.request_log import RequestLog
from edgecache.server.request_tracing import OF_TIERS, RequestIds, RequestTracing
from edgecache.server.tls import HTTP_1_1, HTTP_2
from edgecache.store.disk.availability import DiskEnvironment
from edgecache.store.disk.engine import DiskBudget, DiskEngine
from edgecache.store.disk.files import RealFiles
from edgecache.store.disk.store import DiskStore
from edgecache.store.invalidation import InvalidationState
from edgecache.store.memory import MemoryStore
from edgecache.store.memory_account import (
    MemoryAccount,
    MemoryBudget,
    MemoryHolding,
    divide_memory,
)
from edgecache.upstream.endpoint import Network, is_local
from edgecache.upstream.interface import Upstream
from edgecache.upstream.origin import MovedDates, OriginUpstream
from edgecache.upstream.origin_counters import OriginCounters
from edgecache.upstream.origin_group import GroupUpstream
from edgecache.upstream.origin_request import agent_of
from edgecache.upstream.pool import Pool, PoolLimits, response_limits
from edgecache.upstream.resolver import LookupThreads, NameResolver

DEV_KEY_PAIR = KeyPair("test", "test")  # as emulators of S3 take it
PASSWORD_KEY_BYTES = 32  # of a digest of as many
BLOCKS_SHARE = 4  # lines that are known for each block of fields
LOG_SHARE = 1 / 4  # of memory, for lines of the log that wait: a second's, at most


class NodeParts:
    """Builder of a process's node: shares clock, pool, counters and secrets among its parts."""

    def __init__(
        self, config: Config, name: str, *, memo: bool = True, dev: DevMode | None = None
    ) -> None:
        config = with_mapped_origins(without_refused(config))  # control may be away
        self.config = config
        self.last, self.served = last_served(config, name)
        self.name = name
        self._dev = dev
        # What ages goes by `clock`, what waits for others by `_unmoved`: they differ in dev mode.
        self.clock, self._wall = clocks_of(dev)
        self._unmoved = steady_clock()
        self._memo = memo
        names = NameResolver(LookupThreads(), self._unmoved, config.resolver)
        network = Network(names, Listeners(installation_addresses(config), is_local))
        self._renewal = self._own_certificate(network)
        spare = None if dev is None else DEV_KEY_PAIR
        self._secrets = SecretWatch(self.served, os.environ, wall_clock, network.renew, spare)
        asked = name.startswith("edge")  # by viewers, whom rules admit
        self._rule_files = RuleFileWatch(self.served) if asked else None
        files = NO_FILES if self._rule_files is None else self._rule_files.contents
        self.table = compile_routes(self.served, self._secrets.secrets.viewer, files=files)
        self._log_threads: dict[str, DaemonThread] = {}  # by where they may hang
        self._passwords = PasswordChecks(LoneThread("password"), random_bytes(PASSWORD_KEY_BYTES))
        self._counters = Counters()
        refused = self._counters.refused_credentials
        self._verifier = CredentialVerifier(place_of(name), wall_clock, refused)
        self._secrets.tell_peers(self._verifier.use)
        self._pool = Pool(network, self.clock, PoolLimits(response_limits(config.limits)))
        self._usage = ProcessUsage(wall_clock)
        self._counted_origins = OriginCounters(self._counters, self._unmoved)
        self._functions = EdgeFunctions(self.clock, self._counters, config.python_hooks, memo=memo)
        self._tasks = Tasks()
        spawn = self._tasks.spawn
        self._lambdas = lambda_runner(self.served, self._unmoved, self._counters, spawn)
        self._location_secret = b""
        self._forget: list[Callable[[], None]] = []  # of origins, of rate limits: see NodeReset
        self._signers: dict[str, Callable[[bytes], bytes]] = {}  # by the place they sign for
        self._follower = self._log_follower()
        self.key_values = KeyValueFollower(self._follower.ask if self._follower else None)
        self.key_values.use_file(config, wall_clock())
        if asked and config.control is not None:
            kept = last_configuration_path(config.state_dir, name)
            self.key_values.files = KeyValueFiles(kept, random_bytes(4).hex(), pause)
            if self.last is not None:
                self.key_values.use_kept(self.served)
        self._functions.store_of = self.key_values.stores.get
        # A node waits for control's word before it trusts what it has.
        self._marks = InvalidationState(float("inf") if config.control is None else 0.0)

    @cached_property
    def _place_of(self) -> PlaceOf:
        """The look-up of viewers' addresses."""
        return geo_lookup(self.config.geo_database, self.config.asn_database)

    def edge(self, location: Location) -> Node:
        """A worker of an edge location."""
        if location.rate_limits:
            native, former, files = self._secrets.secrets.viewer, self.table, NO_FILES
            files = files if self._rule_files is None else self._rule_files.contents
            self.table = compile_routes(self.served, native, former, files, location.name)
        upstream: Upstream = self._origins()
        peers = None
        if self.config.regional_tier:
            peers = self._regional_peers()
            upstream = peers.edge_upstream(location.region, upstream)
            peers.use(self.served)
        disk, memory_bytes = location.disk, location.memory_bytes // location.workers
        if disk is not None:
            disk = replace(disk, bytes_max=disk.bytes_max // location.workers)
        secured, protocols = bool(location.listen_tls), location.spoken
        memos = 1 + secured + (secured and "h2" in protocols) + ("h2c" in protocols)
        tier = self._tier(location.name, divide_memory(memory_bytes, memos), upstream, disk)
        inner = "REC" if self.config.regional_tier else "EDGE"
        acme, ports = self._acme(), viewer_ports(location)
        buckets = self._buckets(location.workers)
        world = FrontendEnvironment(
            self._place_of, random, ports, inner, self._wall, acme, buckets, self._passwords,
            self._purger(),
            self._functions.events(self.served, location), self._lambdas,
        )  # fmt: skip
        front = ViewerFrontend(tier, self.table, self.config.brand, world)
        node = self._node("edge", tier, front)
        node.address, node.location_secret = self._told_address(location), self._location_secret
        node.listener.proxied = location.proxy_protocol == "required"
        if "h2c" in protocols:
            node.listener.prior_knowledge = True
            node.listener.use_http2(self._head_cache(tier, Http2HeadCache))
        self._functions.use_head_caches(node.listener)
        if location.trusted_proxies:
            node.listener.trusted_proxies = TrustedProxies(location.trusted_proxies)
        if location.access_list is not None or location.flow_log is not None:
            node.listener.access = self._location_access(location, node)
        if peers is not None:
            node.regional_peers = peers
            node.readiness.probe = tier_probe(lambda: peers.probes)
        node.rule_files, node.key_values, node.acme = self._rule_files, self.key_values, acme
        node.key_values.on_size = partial(tier.world.account.measure, MemoryHolding.KEY_VALUES)
        node.health_checks = location_health_checks(node, self.config)
        node.consumers += self._delivery(node)
        if location.listen_tls:
            self._secure(node, location, tier)
        return node

    def _secure(self, node: Node, location: Location, tier: Tier) -> None:
        """The listener beside the node's that speaks TLS."""
        shown = replace(self.served, state_dir=self.config.state_dir)
        watch = CertificateWatch(shown, wall_clock, speaks=self.name.endswith("-1"))
        node.certificates = watch
        node.tls_listener = node.listener.secured(watch.port, self._head_cache(tier))
        if "h2" in location.spoken:
            watch.port.offer((HTTP_2, *HTTP_1_1))
            node.tls_listener.use_http2(self._head_cache(tier, Http2HeadCache))
        self._functions.use_head_caches(node.tls_listener)
        plan_misses(node.tls_listener, wanted=self._memo)

    def _location_access(self, location: Location, node: Node) -> LocationAccess:
        access = LocationAccess(location.name, self._counters, location.access_list)
        access.proxied = node.listener.proxied
        access.proxies = node.listener.trusted_proxies
        access.use(self.table.ip_sets)
        if location.flow_log is not None:
            flows = access.flows = FlowMonitor(self._flow_log(), location.flow_log, wall_clock)
            connections = node.listener.connections
            room = connections.room
            connections.room = lambda: room() - flows.descriptors
        return access

    def _flow_log(self) -> FlowLog:
        return FlowLog(flow_log_file(self.config, self._log_owner()), self.name, wall_clock)

    def regional(self, cache: RegionalCache) -> Node:
        """A regional cache. One of several has origins that others shield, and shields some."""
        divided = divide_memory(cache.memory_bytes)
        name, sender = cache.name or REGIONAL, self._verifier.sender
        if not cache.name:
            tier = self._tier(name, divided, self._origins(), cache.disk)
            node = self._node("regional", tier, PeerFrontend(tier, self.table, sender))
        else:
            peers = self._regional_peers()
            origins = peers.shielded(cache, self._origins(), is_regional)
            tier = self._tier(name, divided, origins, cache.disk)
            front = PeerFrontend(tier, self.table, sender, origins.is_shield)
            node = self._node("regional", tier, front)
            node.regional_peers = peers
            peers.use(self.served)
        node.address = self._told_address(cache)
        if self._renewal is not None and speaks_tls(cache, self.config):
            node.listener.tls = PeerTlsPort(self._renewal.held, wall_clock)
        return node

    @cached_property
    def _controls(self) -> ControlEndpoints:
        """Those that this process may follow, where the configuration has any."""
        held = None if self._renewal is None else self._renewal.held
        return control_endpoints(self.config, self.name, held, self._unmoved, random)

    def _buckets(self, workers: int) -> TokenBuckets:
        """Of rate limits: those of this location's workers, or this process's alone."""
        shared = inherited_shared_words()
        self._location_secret = random_bytes(SECRET_BYTES) if shared is None else shared.secret
        if shared is None:
            buckets = own_buckets(random_bytes(SECRET_BYTES), self.clock())
        else:
            lock = shared.lock if workers > 1 else None  # a hand-over may give a token twice
            began = self.clock() - shared.age_s
            buckets = TokenBuckets(shared.words, shared.secret, began, lock)
        self._forget.append(buckets.clear)
        return buckets

    def _told_address(self, part: RegionalCache | Location) -> str:
        """Where control may ask it: control makes of every address the one it comes from."""
        return str(parse_listen(part.advertise or part.listen, self.config.state_dir))

    def _origins(self) -> GroupUpstream:
        brand = self.config.brand
        told = OriginTold(via_pseudonym(self.name, brand), agent_of(brand))
        origins = OriginUpstream(
            self._pool, prove=self._secrets.proofs.prove, via=told.via, agent=told.agent,
            cdn_id=brand.encode(), counted=self._counted_origins, clock=self.clock,
        )  # fmt: skip
        asked = origins if self._dev is None else MovedDates(origins, self._dev.moved_s)
        triggers = OriginTriggers(asked, self._lambdas, told, self.clock)
        unhealthy = partial(getattr, self._follower, "unhealthy_checks", ())
        groups = GroupUpstream(asked, self.clock, self._counters, triggers, unhealthy)
        self._forget += [origins.forget, groups.forget]
        return groups

    def _regional_peers(self) -> RegionalPeers:
        held = None if self._renewal is None else self._renewal.held
        return RegionalPeers(PeerWorld(self._pool, self._signer, self._marks, held), self.config)

    def _signer(self, to: str) -> Callable[[bytes], bytes]:
        if to not in self._signers:  # a regional cache may go, and come again
            signer = CredentialSigner(self.name, to, wall_clock, random_bytes)
            self._secrets.tell_peers(signer.use)
            self._signers[to] = signer.sign
        return self._signers[to]

    def _tier(
        self, name: str, divided: MemoryBudget, upstream: Upstream, disk: Disk | None = None
    ) -> Tier:
        limits = self.config.limits
        world = TierEnvironment(
            self.clock,
            self._tasks.spawn,
            self._counters,
            min(limits.object_bytes_max, divided.store_bytes // 2),
            limits.waiters_max,
            self._marks,
            limits.block_bytes,
            self.config.brand.encode(),
            MemoryAccount(divided.memory_bytes, limits.buffer_bytes_max),
        )
        if is_regional(place_of(self.name)):
            world = with_reserve(world, self.config, self._secrets, self._pool)
        store = MemoryStore(divided.store_bytes, divided.conclusions, world.account)
        return Tier(name, store, upstream, world, self._disk(disk))

    def _head_cache(self, tier: Tier, kind: type[HeadCache] = HeadCache) -> HeadCache | None:
        """A head cache for the listener of `tier`, as large as its warm entries are many."""
        if not self._memo:
            return None
        known = tier.store.warm_max
        return kind(min(known, ANSWERS_MAX), min(known // BLOCKS_SHARE, BLOCKS_MAX))

    def _disk(self, disk: Disk | None) -> DiskStore | None:
        if disk is None:
            return None
        folder = Path(disk.folder or Path(self.config.state_dir) / "disk") / self.name
        engine = DiskEngine(
            str(folder), RealFiles(), DiskBudget(disk.bytes_max, disk.free_bytes_min)
        )
        spawn, counters = self._tasks.spawn, self._counters
        return DiskStore(
            engine, DiskEnvironment(self.clock, spawn, DiskThreads(), counters, self._marks)
        )

    def _log_owner(self, place_of: PlaceOf = no_place) -> LogOwner:
        return LogOwner(self.name, machine_name(self.config.state_dir), place_of, wall_clock)

    def _node(self, role: str, tier: Tier, front: Frontend) -> Node:
        owner = self._log_owner(self._place_of if role == "edge" else no_place)
        outputs = log_outputs(self.config, owner)
        part = int(tier.world.account.budget_bytes * LOG_SHARE)
        log = access_log.AccessLog(outputs.write, bytes_max=min(access_log.BYTES_MAX, part))
        listener = Listener(
            front,
            self.config.limits,
            self.clock,
            RequestIds(random_bytes),
            RequestLog(tier.name, self._counters, log),
            self.config.brand,
            self._head_cache(tier, PeerHeadCache if role == "regional" else HeadCache),
            remembered=lambda: self._remembered_bytes() + tier.remembered_bytes,
            tracing=self._tracing(role),
        )
        self._share_descriptors(listener)
        plan_misses(listener, wanted=self._memo)
        location, sender = "" if tier.name == role else tier.name, self._verifier.sender
        logs, stories = self._functions.logs if role == "edge" else None, self._lambdas.stories
        inspector = Inspector(
            self.name, role, location, front, sender, function_logs=logs, stories=lambda: stories
        )
        listener.explains = inspector.reply
        node = Node(self.name, role, location, os.getpid(), listener, log, outputs, self._follower)
        node.consumers += node_log_readers(node, self.config, owner)
        node.consumers += span_exports(node, self.config.tracing, owner.machine)
        node.extend_records()
        if self._dev is not None:
            node.reset = NodeReset(tier, self._counters, self._forget)
            self._dev.on_set_back = node.reset.set_back
            listener.moved_s = self._dev.moved_s
        node.log_retention = log_retention(self.config, wall_clock)
        node.secrets, node.config, node.lambdas = self._secrets, self.served, self._lambdas
        if self.config.control is not None:
            path = last_configuration_path(self.config.state_dir, self.name)
            node.last_configuration = LastConfigurationFile(path, self.last, random_bytes(4).hex())
        node.renewal, node.measure = self._renewal, self._measure
        return node

    def _measure(self) -> None:
        self._counters.usage = self._usage.figures()
        self._counted_origins.measure(self._pool.connections_to_origins())

    def _delivery(self, node: Node) -> list[LogDeliverer | RealtimeLogs]:
        """Of an edge: what its distributions want of its records."""
        folder = Path(self.config.state_dir) / SPOOL_NAME
        spool = LogSpool(folder, lambda: unique_name(random_bytes), wall_clock, HEADER)
        threads = self._log_threads.setdefault(str(folder), DaemonThread("log-spool"))
        world = DeliveryWorld(wall_clock, random, pause, threads, self._log_store, self._counters)
        made = LogDeliverer(spool, SpoolFolder(folder), world)
        made.use(self.served)
        owner = self._log_owner(self._place_of)
        return [made, realtime_logs(node, self.served, owner)]

    def _log_store(self, bucket: LogBucket) -> LogStore:
        if bucket.folder:
            thread = self._log_threads.setdefault(bucket.folder, DaemonThread("log-folder"))
            return LogFolder(Path(bucket.folder), thread)

        def key_pair() -> KeyPair | None:
            if bucket.credential:
                return self._secrets.secrets.origin.get(bucket.credential)
            return environment_key_pair(os.environ)

        thread = self._log_threads.setdefault(bucket.endpoint, DaemonThread("log-store"))
        return S3Bucket(bucket, key_pair, wall_clock, thread)

    def _tracing(self, role: str) -> RequestTracing | None:
        settings = OF_TIERS if role == "regional" else self.config.tracing
        traces = settings.context != "ignore" or settings.amzn_trace_id
        return RequestTracing(settings, random_bytes) if traces else None

    def _share_descriptors(self, listener: Listener) -> None:
        budget, connections, pool = DescriptorBudget(soft_limit()), listener.connections, self._pool
        budget.viewers, budget.upstreams = connections.__len__, lambda: pool.open_places
        connections.room, pool.may_open = budget.viewers_max, budget.admits_upstream

    def _remembered_bytes(self) -> int:
        taken = cached_bytes() + self._verifier.size_bytes + self._passwords.size_bytes
        return taken + self._functions.size_bytes + self._lambdas.size_bytes

    def _acme(self) -> AcmeFollower | None:
        if self._follower is None:
            return None
        place, folder = place_of(self.name), self.config.state_dir
        acme = AcmeFollower(self._follower.ask, place, folder, pause)
        self._secrets.tell_peers(acme.use_secrets)
        acme.use(self.served)
        return acme

    def _purger(self) -> ControlPurger | None:
        if self.config.control is None:
            return None
        via = via_pseudonym(self.name, self.config.brand).decode("latin-1")
        return ControlPurger(lambda: self._controls.current.client, self._unmoved, via)

    def _log_follower(self) -> LogFollower | None:
        if self.config.control is None:
            return None
        world = FollowerEnvironment(self.clock, pause, random, random_bytes)
        serves = self.config.on_partition == "serve"
        secrets = str(secrets_path(self.config.state_dir, os.environ))
        return LogFollower(
            self.name,
            self._controls,
            self._signer(CONTROL),
            world,
            serves=serves,
            machine=machine_name(self.config.state_dir),
            contact=ControlContact(self.name, self._controls.current.url, secrets, self._unmoved),
        )

    def _own_certificate(self, network: Network) -> CertificateRenewal | None:
        """This machine's certificate, where anything here needs one. SecretsError: it has none."""
        config = self.config
        if not any(speaks_tls(one, config) for one in (config.control, *config.regional_tier)):
            return None
        held = CertificateFile(config.state_dir, place_of(self.name))
        renewal = CertificateRenewal(
            held, lambda: control_client(self._controls.current.url, held), wall_clock
        )
        renewal.renewed.append(network.renew)
        network.refuses = renewal.refuses
        return renewal
