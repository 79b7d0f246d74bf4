"""Bounds on what viewers may do: one table of the file, its numbers bounded in `settings.py`."""

from __future__ import annotations

from edgecache.config.base import KIB, MIB, Model


class Limits(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on what viewers may do. Each default's precedent stands in `settings.py`."""

    head_bytes_max: int = 32_768
    url_bytes_max: int = 8_192
    fields_max: int = 100
    head_s_max: float = 10
    body_idle_s_max: float = 30
    write_idle_s_max: float = 30
    idle_s_max: float = 75
    half_closed_s_max: float = 1
    drain_s_max: float = 10
    hand_over_s_max: float = 600
    object_bytes_max: int = 64 * MIB
    block_bytes: int = MIB
    buffer_bytes_max: int = 256 * KIB
    waiters_max: int = 10_000
    errands_max: int = 10_000
    connections_max: int = 20_000
    connections_per_address_max: int = 5_000
