"""Commands health, drain and undrain: whether all is well, and a change of guard without loss.

Exit codes of health: 0 all is well; 1 something is not, or nobody answers, a line for each on
standard error; 2 usage or configuration error.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from edgecache.cli.client import answer_or_problem, ask_control, control_of
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    fail,
    load_config,
    print_json,
    refuse,
)
from edgecache.config.checks.configuration import listeners
from edgecache.config.listen import tcp_address
from edgecache.config.load import load
from edgecache.config.problems import ConfigError

ADDRESS_ENV = "EDGECACHE_HEALTH"  # of an image: one health check for whatever is run in it
ANSWER_S_MAX = 5.0
LOOK_S = 0.5  # between two looks at how many connections are left
DRAIN_S_MAX = 300.0  # as long as AWS's balancers wait for a target ("deregistration delay")

app = typer.Typer()
NodeName = Annotated[
    str,
    typer.Argument(
        metavar="NODE", help="A location, a regional cache, or NAME@MACHINE of `stats`."
    ),
]
Local = Annotated[
    bool, typer.Option("--local", help="Ask the supervisor of this machine, without control.")
]


@app.command(
    epilog="Examples: edgecache health; edgecache health http://127.0.0.1:8099/ready;"
    " edgecache health 127.0.0.1:8080"
)
def health(
    address: Annotated[
        str,
        typer.Argument(
            envvar=ADDRESS_ENV, help="A health URL, or HOST:PORT of anything that speaks HTTP."
        ),
    ] = "",
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Exit with 0 when all is well by control or at ADDRESS; with 1 and why when it is not.

    A URL with a path, or the HOST:PORT of a `health_listen` of the file (there /ready), is well
    when its status is 2xx; any other HOST:PORT when it answers HTTP at all.
    """
    if address:
        url = _health_url(address, config)
        problems = _url_problems(url) if url else _silent(address, config)
    else:
        problems = _control_problems(config)
    if as_json:
        print_json({"healthy": not problems, "problems": problems})
        raise typer.Exit(1 if problems else 0)
    if problems:
        fail("\n  ".join(problems))


def _health_url(address: str, config: Path) -> str:
    """The URL to ask; empty where any answer will do."""
    url = address if "://" in address else f"http://{address}"
    if urlsplit(url).path.strip("/"):
        return url
    try:
        known = [text for where, text in listeners(load(config)) if where.endswith("health_listen")]
    except ConfigError:
        return ""  # there need not be a file
    return f"{url.rstrip('/')}/ready" if urlsplit(url).netloc in known else ""


def _url_problems(url: str) -> list[str]:
    import httpx

    try:
        answer = httpx.get(url, timeout=ANSWER_S_MAX, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return [f"{url}: {error or type(error).__name__}"]
    if answer.is_success:
        return []
    return [f"{url}: answered {answer.status_code}", *_reasons(answer.content)]


def _reasons(body: bytes) -> list[str]:
    """What a health listener says that is not well."""
    try:
        reasons = json.loads(body).get("reasons", [])
        return [f"{one['worker']}: {one['detail']} ({one['reason']})" for one in reasons]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []  # something else answers there


def _silent(address: str, config: Path) -> list[str]:
    from edgecache.cluster.client import answers

    place = address.removeprefix("http://").rstrip("/")
    try:
        listening = tcp_address(place)
    except ValueError as error:
        refuse([f"ADDRESS: {place} {error}"])
    proxied = _wants_proxy_header(place, config)
    return [] if asyncio.run(answers(listening, proxied=proxied)) else [f"{address}: no answer"]


def _wants_proxy_header(place: str, config: Path) -> bool:
    """Whether `place` is a location of the file that takes balancers only."""
    try:
        locations = load(config).locations
    except ConfigError:
        return False
    return any(one.listen == place and one.proxy_protocol == "required" for one in locations)


def _control_problems(config: Path) -> list[str]:
    """What is wrong by control's answer."""
    from edgecache.cluster.client import ControlQuestion

    answer, problem = answer_or_problem(control_of(config), ControlQuestion("/health"))
    if answer is None:
        return [problem]
    told = json.loads(answer.body)
    refused = [
        f"control refuses {one['name']} at {one['address']}: {one['reason']}; its own log says the"
        " way out"
        for one in told.get("refused", [])
    ]
    return [*told.get("problems", []), *refused]


@app.command(epilog="Examples: edgecache drain LHR50; edgecache drain LHR50 --local --timeout 60")
def drain(
    node: NodeName,
    wait: Annotated[bool, typer.Option(help="Wait until no connection is left.")] = True,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait at most.")] = DRAIN_S_MAX,
    local: Local = False,
    as_json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Send a node's viewers elsewhere: its /ready is 503, and connections close after an answer.

    It serves on whoever comes. Exit code 1 when connections are left at the timeout. Control keeps
    a drain until `undrain`, over restarts too; with --local it ends with the supervisor.
    """
    ask = _local(config, "drain", node) if local else _by_control(config, "POST", node)
    ends = time.monotonic() + timeout
    told = ask()
    while wait and not told["done"] and time.monotonic() < ends:
        typer.echo(f"{node}: {told['connections']} connections left", err=True)
        time.sleep(LOOK_S)
        told = ask()
    if as_json:
        print_json(told)
        raise typer.Exit(1 if wait and not told["done"] else 0)
    if wait and not told["done"]:
        fail(f"{node}: {told['connections']} connections left after {timeout:g} s; it drains on")
    typer.echo(f"{node}: {'drained' if told['done'] else 'drains'}")


@app.command(epilog="Examples: edgecache undrain LHR50; edgecache undrain LHR50 --local")
def undrain(
    node: NodeName,
    local: Local = False,
    as_json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Let a node take viewers again after `drain`."""
    told = (_local(config, "undrain", node) if local else _by_control(config, "DELETE", node))()
    if as_json:
        print_json(told)
    else:
        typer.echo(f"{node}: takes viewers again")


def _by_control(config: Path, method: str, node: str) -> Callable[[], Any]:
    target = f"/nodes/{quote(node, safe='@')}/drain"
    return lambda: ask_control(config, method, target)


def _local(config: Path, word: str, node: str) -> Callable[[], Any]:
    from edgecache.supervisor import reload as reloading

    state_dir, path = load_config(config).state_dir, config.resolve()

    def ask() -> Any:
        asked = reloading.ask_supervisors(state_dir, f"{word}:{node}", path)
        try:
            told = asyncio.run(asked)
        except reloading.NoSupervisorError as error:
            fail(str(error))
        if told.code != reloading.DONE:
            refuse(list(told.lines))
        return {"node": node, "done": told.done, "connections": told.connections}

    return ask
