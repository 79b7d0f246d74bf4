"""The base class of every piece of the configuration model, and sizes of bytes by name.

Law: a piece is frozen, and unknown names in it are refused. What is at its default is not written:
a node of the former release is told only what it knows, while nothing new is asked for. So a
default never changes its meaning. It stands apart because `model.py` and what that is made of are
made of it.
"""

from __future__ import annotations

import msgspec

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Model(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A frozen piece of configuration; unknown names are refused with their path."""
