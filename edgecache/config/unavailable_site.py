"""A distribution that answers 503 at its names. Law: it stands in no other's way."""

from __future__ import annotations

from edgecache.config.base import Model


class UnavailableSite(Model, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A distribution that cannot be served as it asks to be, and why, one line for each reason.

    One that is not enabled keeps its names, and answers as any that is not enabled.
    """

    id: str
    names: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    enabled: bool = True
    certificate_file: str = ""
    key_file: str = ""
