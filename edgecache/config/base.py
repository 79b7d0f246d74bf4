"""What every piece of the model is made of. Law: frozen, and unknown names are refused."""

from __future__ import annotations

import msgspec

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen piece of configuration; unknown names are refused with their path."""
