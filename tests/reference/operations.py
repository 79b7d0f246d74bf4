"""docs/reference/api-operations.md: operations of CloudFront's API and routes of the REST API."""

from __future__ import annotations

from collections.abc import Iterator

from edgecache.config.aws.unsupported import as_markdown
from edgecache.control.cloudfront.model import PREFIX, api
from edgecache.control.cloudfront.operations import actions
from edgecache.control.rest.routes import ROUTES

HEADING = """# Operations of the APIs

This page is made of the tables in the code by `python -m tests.reference`; a test compares. Who may
call, and what differs from CloudFront: [api.md](../api.md).

## CloudFront's

{acting} of {all} operations act; each of the others is answered 501 `NotImplemented`.
`edgecache api` prints the same.

| operation | method | path | acts |
|---|---|---|---|
"""
REST = """
## REST

Below the same address; a token or an access key is needed from another machine. `/openapi.json` has
the bodies, `/docs` shows them.

| method | path | |
|---|---|---|
"""
MEMBERS = """
## Members of a distribution that do not act

Refused, unless `unsupported = "ignore"` says otherwise.

"""


def page() -> str:
    operations = sorted(api().operations.values(), key=lambda one: one.name)
    heading = HEADING.format(acting=len(actions()), all=len(operations))
    return heading + "\n".join(_calls()) + "\n" + REST + "\n".join(_routes()) + "\n" + _members()


def _calls() -> Iterator[str]:
    acting = actions()
    for one in sorted(api().operations.values(), key=lambda one: one.name):
        acts = "yes" if one.name in acting else ""
        yield f"| `{one.name}` | {one.method} | `{PREFIX}/{'/'.join(one.path)}` | {acts} |"


def _routes() -> Iterator[str]:
    for route in ROUTES:
        if route.described:
            asks = ", ".join(f"`{name}` ({text.lstrip('*')})" for name, text in route.query)
            text = f"{route.summary} Query: {asks}." if asks else route.summary
            yield f"| {route.method} | `{route.path}` | {text} |"


def _members() -> str:
    return MEMBERS + as_markdown()
