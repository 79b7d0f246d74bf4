"""The reserve of a regional cache: the bucket, the key pair that signs for it, and what it is told.

Law: that there is no key pair is told at the start, and the cache serves without its reserve.
"""

from __future__ import annotations

import logging
import os
from dataclasses import replace

from edgecache.cache.environment import TierEnvironment
from edgecache.config.model import Config
from edgecache.config.secrets import KeyPair
from edgecache.node.log_store import environment_key_pair
from edgecache.node.secret_watch import SecretWatch
from edgecache.runtime.environment import LoneThread, random_bytes, wall_clock
from edgecache.store.reserve.bucket import BucketError, ReserveBucket
from edgecache.store.reserve.store import ReserveEnvironment, ReserveStore
from edgecache.upstream.pool import Pool

logger = logging.getLogger("edgecache.store")


def with_reserve(
    tier: TierEnvironment, config: Config, secrets: SecretWatch, pool: Pool
) -> TierEnvironment:
    """The environment of a tier, with the reserve that `config` names, if it names one."""
    settings = config.reserve
    if settings is None:
        return tier

    def key_pair() -> KeyPair | None:
        if settings.credential:
            return secrets.secrets.origin.get(settings.credential)
        return environment_key_pair(os.environ)

    bucket = ReserveBucket(settings, pool, key_pair, wall_clock, tier.account)
    try:
        bucket.pair()
    except BucketError as error:
        logger.error("reserve %s: %s; until then nothing is kept there", bucket.where, error)
    threads, counters = LoneThread("reserve"), tier.counters
    world = ReserveEnvironment(
        tier.clock, tier.spawn, threads, random_bytes, counters, tier.marks, tier.account
    )
    return replace(tier, reserve=ReserveStore(settings, bucket, world))
