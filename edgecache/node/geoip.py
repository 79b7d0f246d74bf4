"""GeoIP look-up of viewers' addresses in MaxMind's files, read through `maxminddb`.

MaxMind, "MaxMind DB File Format Specification". A file is mapped into memory once, at the start of
a process; a newer one is read by the next process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import maxminddb
from maxminddb.types import Record

from edgecache.http.function_cache import cached
from edgecache.rules.viewer.geo import NOWHERE, GeoPlace, place_of

logger = logging.getLogger("edgecache.server")

PLACES_MAX = 16_384  # addresses: the viewers of a minute
PLACE_BYTES = 640  # of one with its place
PlaceOf = Callable[[str], GeoPlace]
"""The place of an address (text, without port); NOWHERE when nothing is known of it."""


def no_place(_address: str) -> GeoPlace:
    """The look-up without a file: nothing is known."""
    return NOWHERE


def geo_lookup(geo_database: str, asn_database: str = "") -> PlaceOf:
    """A look-up in the files at these paths, each left out when empty. OSError, ValueError."""
    if not (geo_database or asn_database):
        return no_place
    cities = _open(geo_database) if geo_database else None
    numbers = _open(asn_database) if asn_database else None

    @cached(PLACES_MAX, PLACE_BYTES)
    def lookup(address: str) -> GeoPlace:
        place = place_of(_record(cities, address))
        return replace(place, asn=place_of(_record(numbers, address)).asn) if numbers else place

    return lookup


def database_problem(path: str) -> str:
    """Why the file at `path` cannot be used; empty when it can."""
    try:
        _open(path).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except ValueError:
        return "not a file in MaxMind's format"
    return ""


def _open(path: str) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path, maxminddb.MODE_AUTO)
    except maxminddb.InvalidDatabaseError as error:
        raise ValueError(f"{path}: {error}") from error


def _record(reader: Any, address: str) -> Record | None:
    if reader is None:
        return None
    try:
        record: Record | None = reader.get(address.partition("%")[0])  # a zone is the link's name
    except ValueError:  # not an address: a Unix socket has none
        return None
    except maxminddb.InvalidDatabaseError as error:  # no viewer is to blame for a damaged file
        logger.warning("the file of places is damaged: %s", error)
        return None
    return record
