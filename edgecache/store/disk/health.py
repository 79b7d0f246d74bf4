"""Health of a disk. Law: trouble is said when it begins and when it ends, and counted always."""

from __future__ import annotations

import errno
import logging
import sqlite3

from edgecache.observe.counters import Counters

logger = logging.getLogger("edgecache.store")

TRY_AGAIN_S = 5.0  # not long for who has made room, and a try costs next to nothing
TRY_SOON_S = 0.25


class DiskHealth:
    """Whether a disk did what it was asked last."""

    def __init__(self, folder: str, counters: Counters) -> None:
        self._folder = folder
        self._counters = counters
        self._well = True

    def failed(self, error: BaseException) -> float:
        """It did not do what it was asked; in how many seconds to try again."""
        self._counters.disk_failures += 1
        if self._well:
            self._well = False
            self._counters.disk_failing = 1
            said = "%s: %s; what it would hold is fetched anew until it is well again"
            logger.error(said, self._folder, error)
        shared = isinstance(error, BlockingIOError)  # a predecessor is about to hand it over
        return TRY_SOON_S if shared else TRY_AGAIN_S

    def recovered(self) -> None:
        """It has taken a change."""
        if not self._well:
            self._well = True
            self._counters.disk_failing = 0
            logger.warning("%s: well again", self._folder)


def is_full(error: BaseException) -> bool:
    """Whether there was no room, and nothing else amiss."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
