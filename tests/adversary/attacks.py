"""Attacks: many connections of strangers at once, each of a bounded number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.adversary.actions import Attack
from tests.adversary.site import Target

ATTACKS: dict[str, Callable[[Target, Attack], Awaitable[list[str]]]] = {}
