"""Commands of access keys: made with limits or without, listed, deleted.

Law: a secret is printed once, when its key is made.
"""

from __future__ import annotations

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from edgecache.cli.client import ask_control
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    print_json,
    print_result,
    print_rows,
)
from edgecache.cluster.control_access import KEY_ENV
from edgecache.rules.permissions import Action

app = typer.Typer(
    no_args_is_help=True,
    help="Access keys: who calls control from elsewhere, and within which limits.",
)

Only = Annotated[
    list[Action] | None,
    typer.Option("--only", help="An action it may do, several times; otherwise all."),
]
Distributions = Annotated[
    list[str] | None,
    typer.Option("--distribution", help="The id of one it is for, several times; otherwise all."),
]


@app.command(
    epilog="Example: edgecache access-keys create deploy --only invalidate --distribution EDEMO"
)
def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    only: Only = None,
    distributions: Distributions = None,
    as_json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Make an access key. Its secret is printed now, and never again.

    Without limits it may do everything, and make keys. Actions: `read`; `invalidate`, which tells
    how far an invalidation is, too; `release`; `write` of distributions, policies, keys,
    tags, functions and key value stores. Limited to distributions it neither lists nor makes
    others.
    """
    wish = {"name": name, "actions": only or [], "distributions": distributions or []}
    made = ask_control(config, "POST", "/access-keys", wish)
    typer.echo(f"# {name} may {_limits(made)}; the secret is not told again", err=True)
    variables = zip(KEY_ENV, ("id", "secret_access_key"), strict=True)
    lines = "\n".join(f"{variable}={made[member]}" for variable, member in variables)
    print_result(made, lines, as_json=as_json)


@app.command("list", epilog="Example: edgecache access-keys list")
def list_all(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """All access keys that admit somebody, operators' own first; never a secret."""
    told = ask_control(config, "GET", "/access-keys")["access_keys"]
    if as_json:
        print_json(told)
        return
    print_rows(("name", "id", "may", "of", "made", "last used"), [
        (one["name"], one["id"], _limits(one) if one["usable"] else "nothing: see control's log",
         "an operator" if one["source"] == "operator" else "control",
         _moment(one["created_at"]), _moment(one["last_used_at"]))
        for one in told
    ])  # fmt: skip


@app.command(epilog="Example: edgecache access-keys delete deploy")
def delete(
    key: Annotated[str, typer.Argument(help="Its name or id.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Delete an access key: it admits nobody from now on.

    That of an operator's secret goes, too; the secret's tokens go on, until it is rotated.
    """
    gone = ask_control(config, "DELETE", f"/access-keys/{quote(key, safe='')}")
    print_result(gone, f"{gone['name']} ({gone['id']}) is deleted", as_json=as_json)


def _limits(one: dict[str, Any]) -> str:
    """What a key may do, in words."""
    what = ", ".join(one["actions"]) or "do everything"
    where = ", ".join(one["distributions"])
    return f"{what} of {where}" if where else what


def _moment(at: float | None) -> str:
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
