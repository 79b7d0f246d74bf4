"""Records as text and on the wire, and zone files, by dnspython (the extra `dns`).

Law: nothing of this is on the way of a query. A zone file is read whole or refused with each line
that is wrong; it includes no other file.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from edgecache.config.dns import DnsRecord, DnsSettings, DnsZoneSettings
from edgecache.config.problems import BROKEN_LINES_MAX, BrokenLinesError, Problems

EXTRA = "pip install 'edgecache[dns]'"
FILE_BYTES_MAX = 16 * 1024 * 1024
_ESCAPE = re.compile(r"\\([0-3][0-7]{2})|\\.", re.DOTALL)
_WHERE = re.compile(r"<?[^:]*>?:(\d+): (.*)", re.DOTALL)


class DnsExtraMissingError(Exception):
    """dnspython is not installed."""

    def __init__(self) -> None:
        super().__init__(f"zones need an extra that is not installed; run: {EXTRA}")


def has_extra() -> bool:
    """Whether dnspython is installed."""
    return importlib.util.find_spec("dns") is not None


def rdata_wire(type: str, value: str, origin: str) -> bytes:
    """A value as in a zone file of `origin`, on the wire. ValueError, DnsExtraMissingError."""
    try:
        import dns.exception
        import dns.name
        import dns.rdata
        import dns.rdataclass
    except ImportError:
        raise DnsExtraMissingError from None
    try:
        whole = dns.name.from_text(origin)
        data = dns.rdata.from_text("IN", type, value, origin=whole, relativize=False)
        wire = data.to_wire(origin=whole)
    except (dns.exception.DNSException, ValueError, OSError) as error:
        raise ValueError(str(error) or error.__class__.__name__) from None
    assert wire is not None
    return wire


def absolute_value(type: str, value: str) -> str:
    """A value as Route 53 writes it, as a zone file has it: names are whole, with a dot or without,
    and `\\ooo` is octal. ValueError, DnsExtraMissingError.
    """
    try:
        import dns.exception
        import dns.name
        import dns.rdata
    except ImportError:
        raise DnsExtraMissingError from None
    text = _ESCAPE.sub(_decimal, value)
    try:
        data = dns.rdata.from_text("IN", type, text, origin=dns.name.root, relativize=False)
        return data.to_text()
    except (dns.exception.DNSException, ValueError, OSError) as error:
        raise ValueError(str(error) or error.__class__.__name__) from None


def _decimal(match: re.Match[str]) -> str:
    octal = match[1]
    return f"\\{int(octal, 8):03d}" if octal is not None else match[0]


def read_zone_file(text: str, origin: str) -> list[DnsRecord]:
    """The record sets of a zone file. BrokenLinesError, DnsExtraMissingError."""
    if not has_extra():
        raise DnsExtraMissingError
    broken: list[tuple[int, str]] = []
    lines = text.splitlines()
    for _ in range(BROKEN_LINES_MAX):
        found = _read("\n".join(lines) + "\n", origin)
        if not isinstance(found, tuple):
            break
        if found[0] > 1 and isinstance(_read("\n".join(lines[: found[0] - 1]), origin), tuple):
            found = found[0] - 1, found[1]  # dnspython had read on to the next line
        number, _ = found
        broken.append(found)
        if not 1 <= number <= len(lines) or not lines[number - 1].strip():
            break
        lines[number - 1] = ""  # so that what is wrong beyond it is told, too
    if broken:
        raise BrokenLinesError(sorted(broken))
    assert not isinstance(found, tuple)
    return found


def _read(text: str, origin: str) -> list[DnsRecord] | tuple[int, str]:
    import dns.exception
    import dns.zone

    try:
        zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
    except (dns.exception.DNSException, ValueError, KeyError) as error:
        located = _WHERE.fullmatch(str(error))
        number, why = (int(located[1]), located[2]) if located else (0, str(error))
        return max(1, number), why or error.__class__.__name__
    return list(_record_sets(zone))


def _record_sets(zone: Any) -> Iterator[DnsRecord]:
    import dns.rdatatype

    for name, node in zone.items():
        for rdataset in node:
            yield DnsRecord(
                name=name.to_text(),
                type=dns.rdatatype.to_text(rdataset.rdtype),  # type: ignore[arg-type]
                ttl_s=rdataset.ttl,
                values=tuple(one.to_text() for one in rdataset),
            )


def with_zone_files(settings: DnsSettings | None, folder: Path, problems: Problems) -> Any:
    """The settings with the records of their zones' files, which are told from `folder`.

    Where dnspython is missing they are left out: who needs them says so (see `preflight`).
    """
    if settings is None or not any(zone.file for zone in settings.zones) or not has_extra():
        return settings
    zones = []
    for index, zone in enumerate(settings.zones):
        found = _of_file(zone, folder, f"dns.zones[{index}].file", problems) if zone.file else []
        zones.append(replace(zone, records=(*zone.records, *found)))
    return replace(settings, zones=tuple(zones))


def _of_file(
    zone: DnsZoneSettings, folder: Path, where: str, problems: Problems
) -> list[DnsRecord]:
    path = folder / zone.file
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            problems.add(where, f"{path}: more than {FILE_BYTES_MAX} bytes")
            return []
        return read_zone_file(content.decode(), zone.name.rstrip(".") + ".")
    except OSError as error:
        problems.add(where, f"{path}: {(error.strerror or str(error)).lower()}")
    except UnicodeDecodeError:
        problems.add(where, f"{path}: not text")
    except BrokenLinesError as error:
        more = f"; and {error.more} more" if error.more else ""
        problems.add(where, f"{path}: {error}{more}")
    return []
