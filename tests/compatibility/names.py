"""Names that users' files, programs and tests rely on: what docs/compatibility.md promises to keep.

`python -m tests.compatibility.names` prints those of now, each a line. A file `VERSION.txt` beside
this one has those of a release, for as long as its promise holds. Settings have theirs in
`tests/reference`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from edgecache.cli.main import app
from edgecache.cli.manual import pages
from edgecache.control.cloudfront.operations import actions
from edgecache.control.rest.openapi import openapi_document
from edgecache.observe.flow_log import HEADER
from edgecache.observe.log_record import FIELDS, JSON_FIELDS
from edgecache.observe.realtime_log import REALTIME_FIELDS
from edgecache.testing.container import EdgecacheContainer
from edgecache.testing.installation import Edgecache, EdgecacheClock, SigningKey, open_edgecache
from edgecache.testing.scripted_origin import ScriptedOrigin
from edgecache.testing.site import SiteAnswer, SiteUnderTest

ROOT = Path(__file__).resolve().parent.parent.parent
METRIC = re.compile(r"^\| `(edgecache_\w+)` \| \w+ \| ([^|]*) \|", re.MULTILINE)
OPTION = re.compile(r"(?<!\w)--?[a-z][\w-]*")
TESTING: tuple[type[Any], ...] = (
    Edgecache, EdgecacheClock, EdgecacheContainer, ScriptedOrigin, SigningKey, SiteAnswer,
    SiteUnderTest,
)  # fmt: skip


def commands() -> Iterator[str]:
    """Each command, and each of its options."""
    for page in pages(app):
        yield f"command {page.name}"
        for one in page.parameters:
            for option in OPTION.findall(one.spelling) if one.is_option else ():
                yield f"command {page.name} {option}"


def metrics() -> Iterator[str]:
    """Each metric with its labels, as docs/metrics.md has it (a test compares that page)."""
    for name, labels in METRIC.findall((ROOT / "docs" / "metrics.md").read_text()):
        yield f"metric {name} {labels.replace('`', '').replace(' ', '')}".rstrip()


def log_columns() -> Iterator[str]:
    """Columns with their numbers, and names of fields where a log is told which it has."""
    for kind, columns in (("access", FIELDS.split()), ("flow", HEADER.decode().split())):
        yield from (f"{kind}-log {number} {name}" for number, name in enumerate(columns))
    yield from (f"json-log {name}" for name in JSON_FIELDS)
    yield from (f"realtime-log {name}" for name in REALTIME_FIELDS)


def operations() -> Iterator[str]:
    """CloudFront's operations that act, ours, and the members of what ours take and give."""
    yield from (f"cloudfront {name}" for name in actions())
    document: Any = openapi_document()
    for path, methods in document["paths"].items():
        yield from (f"rest {method.upper()} {path}" for method in methods)
    for name, schema in document["components"]["schemas"].items():
        yield from (f"rest {name}.{member}" for member in schema.get("properties", ()))


def testing() -> Iterator[str]:
    """Methods and attributes of what a test has, without what is inherited from others."""
    edgecache = open_edgecache()
    site = edgecache.distribution(origins=edgecache.origin())
    made = (edgecache, site, edgecache.signing_key(), site.get("/"), *edgecache.origins)
    own = [(one, vars(one)) for one in TESTING]
    own += [(type(one), getattr(one, "__dict__", {})) for one in made]
    edgecache.close()
    for one, found in own:
        names = {*found, *getattr(one, "__annotations__", ())}
        yield from (f"testing {one.__name__}.{name}" for name in names if name[0] != "_")


@cache
def names() -> tuple[str, ...]:
    """All of them, sorted."""
    return tuple(sorted({*commands(), *metrics(), *log_columns(), *operations(), *testing()}))


if __name__ == "__main__":
    print("\n".join(names()))
