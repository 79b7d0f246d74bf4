"""`edgecache explain`. Law: control is asked; where it is away, the file alone says what it can."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec

from edgecache.cluster.control_access import ControlAccess, control_access
from edgecache.config.model import Config
from edgecache.control.rest.explain import (
    ExplainQuery,
    ExplainReport,
    ExplainServices,
    told,
    viewer_request,
)
from edgecache.runtime.clocks import wall_clock
from edgecache.supervisor import readiness as operate

ALONE = "from the file alone"


class NotExplainedError(Exception):
    """Control refused to explain: the message says why."""


def explanation(
    config: Config, url: str, method: str, headers: Sequence[str]
) -> tuple[ExplainReport, str]:
    """What there is to say, and a note on where it comes from, empty when control said it all.

    ValueError when no viewer could make the request; NotExplainedError when control says no.
    """
    wanted = ExplainQuery(url, method, tuple(headers))
    request = viewer_request(wanted, config)
    control = control_access(config)
    here = ExplainServices(wall_clock)
    if not control.url:
        return asyncio.run(told(request, config, here)), f"no [control] to ask: {ALONE}"
    try:
        return asyncio.run(_asked(control, wanted)), ""
    except OSError as error:
        alone = asyncio.run(told(request, config, here))
        return alone, f"control at {control.url}: {error}: {ALONE}"


async def _asked(control: ControlAccess, wanted: ExplainQuery) -> ExplainReport:
    query = [("url", wanted.url), ("method", wanted.method)]
    query += [("header", line) for line in wanted.headers]
    status, body = await operate.ask(control, f"/explain?{urlencode(query)}")
    if status == 200:
        return msgspec.json.decode(body, type=ExplainReport)
    raise NotExplainedError(f"control at {control.url} answered {status}: {body[:500].decode()}")
