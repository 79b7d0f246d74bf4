"""Commands of secrets: what there is, and how keys change without a lost request.

Law: no value is printed but those of keys derived for another machine, which are asked for by name.

A key changes in three steps, each of which all processes have taken over before the next: *add*
(the new one is accepted, the old one signs), *sign* (the new one signs, both are accepted), *drop*
(the old one is gone, once all that it signed has ended). In the file the last key of a kind signs,
so that a new one comes first, and then last.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_config,
    print_json,
    print_result,
    print_rows,
    refuse,
)

TAKEN_OVER_S = 3.0  # each process looks at its files twice a second
KEY_ID = "k%Y%m%dT%H%M%SZ"
_MADE = re.compile(r"k\d{8}T\d{6}Z")
_DAY_S = 86_400
DERIVED = ("part:", "hosts:")

app = typer.Typer(no_args_is_help=True, help="Secrets of an installation.")


class SecretKind(StrEnum):
    """Kinds of secrets that change by steps."""

    PEERS = "peers"  # processes to each other
    OPERATORS = "operators"  # people to control
    IDENTITY = "identity"  # us to origins
    DNSSEC = "dnssec"  # keys of signed zones, each of which signs


class RotationStep(StrEnum):
    """A step of a change of keys."""

    ADD = "add"
    SIGN = "sign"
    DROP = "drop"


PARTS = {
    SecretKind.PEERS: "peer",
    SecretKind.OPERATORS: "operator",
    SecretKind.IDENTITY: "identity",
    SecretKind.DNSSEC: "dnssec",
}
LASTS_S = {  # how long what a key has signed is good for, clocks that differ included
    SecretKind.PEERS: 90.0,
    SecretKind.OPERATORS: 3_630.0,
    SecretKind.IDENTITY: 120.0,
    SecretKind.DNSSEC: 172_800.0,  # the longest TTL of what is made with a zone
}

Keys = Mapping[str, str]


def with_new_key(keys: Keys, key_id: str, secret: str) -> Keys:
    """The new key is accepted, and does not sign yet. ValueError when there is one of this id."""
    if key_id in keys:
        raise ValueError(f"{key_id} is there already")
    return {key_id: secret, **keys}


def signing_with_new_key(keys: Keys) -> Keys:
    """The first key signs from now on. ValueError when there is but one, or it is the older one."""
    if len(keys) < 2:
        raise ValueError("no key was added")
    first, *others = keys
    if _made_at(others[-1]) > _made_at(first):
        raise ValueError(f"{others[-1]}, the newer one, signs already; next is --step drop")
    return {name: keys[name] for name in (*others, first)}


def without_old_keys(keys: Keys) -> Keys:
    """The key that signs, alone. ValueError when there is none."""
    if not keys:
        raise ValueError("there is none")
    last = [*keys][-1]
    return {last: keys[last]}


def age_of(key_id: str, now: float) -> str:
    """How old a key is, by its id; those that a start made say nothing of it."""
    made = _made_at(key_id)
    if not made:
        return "unknown"
    days, rest = divmod(max(0, int(now - made)), _DAY_S)
    return f"{days} d" if days else f"{rest // 3600} h {rest % 3600 // 60} min"


def _made_at(key_id: str) -> float:
    """When a key was made, by its id, in epoch seconds; 0 where that says nothing."""
    if not _MADE.fullmatch(key_id):
        return 0.0
    try:
        return datetime.strptime(key_id, KEY_ID).replace(tzinfo=UTC).timestamp()
    except ValueError:  # nobody made it
        return 0.0


@app.command(epilog="Example: edgecache secrets show")
def show(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """The ids and ages of all keys, never their values."""
    from edgecache.config.secrets import (
        SecretsError,
        has_former_operators,
        load_operators,
        load_secrets,
        operators_path,
        secrets_path,
    )

    state_dir, env, now = load_config(config).state_dir, os.environ, time.time()
    try:
        path = secrets_path(state_dir, env)
        if not path.exists():
            refuse([f"{path}: is not there yet; it is made at the first start"])
        found = load_secrets(state_dir, env)
        kinds: dict[str, Keys] = {"peers": found.peer, "identity": found.identity}
        kinds["viewers"] = found.viewer
        kinds["dnssec"] = found.dnssec
        if operators_path(state_dir, env).exists() or has_former_operators(state_dir, env):
            kinds["operators"] = load_operators(state_dir, env)
    except SecretsError as error:
        refuse([str(error)])
    rows = [
        (kind, key_id, age_of(key_id, now), "signs" if key_id == [*keys][-1] else "is accepted")
        for kind, keys in kinds.items()
        for key_id in keys
    ]
    rows += [("stores", name, "unknown", pair.access_key_id) for name, pair in found.origin.items()]
    columns = ("kind", "id", "age", "use")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_rows(columns, rows)


@app.command(
    epilog="Examples: edgecache secrets rotate peers; edgecache secrets rotate identity --step add"
)
def rotate(
    kind: Annotated[SecretKind, typer.Argument(help="Whose keys.")],
    step: Annotated[
        RotationStep | None, typer.Option(help="One step only, for several machines.")
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Drop what may still be in use.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Change the key that signs, without a lost request.

    With all steps at once, for an installation on one machine, this takes a minute or two. On
    several, each step is taken on one machine, and its file copied to the others before the next.
    """
    steps = [step] if step is not None else [*RotationStep]
    if step is None and kind is SecretKind.OPERATORS:
        refuse(["operators' tokens last an hour: --step add, --step sign, and then --step drop"])
    if step is None and kind is SecretKind.DNSSEC:
        refuse(["parents are to hear of it: --step add, `edgecache dns ds`, sign, and then drop"])
    state_dir = load_config(config).state_dir
    done = []
    for number, one in enumerate(steps):
        if number:
            time.sleep(LASTS_S[kind] if one is RotationStep.DROP else TAKEN_OVER_S)
        elif one is RotationStep.DROP and not now:
            _refuse_early(state_dir, kind)
        done.append(_take(state_dir, kind, one))
        if not as_json:
            typer.echo(done[-1])
    if as_json:
        print_json({"kind": kind, "steps": steps, "done": done})


@app.command(epilog="Example: edgecache secrets split")
def split(config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Move operators' secrets out of the file that nodes read."""
    from edgecache.config.secrets import SecretsError, operators_path, split_operators

    state_dir = load_config(config).state_dir
    try:
        moved = split_operators(state_dir, os.environ)
    except SecretsError as error:
        refuse([str(error)])
    path = operators_path(state_dir, os.environ)
    text = f"operators' secrets {'are in ' if moved else 'were already in '}{path}"
    print_result({"file": str(path), "moved": moved}, text, as_json=as_json)


@app.command(epilog="Example: edgecache secrets origin app.internal > identity.json")
def origin(
    hosts: Annotated[list[str], typer.Argument(help="Names that the application is asked as.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Print the identity's keys for an application's gate: these open its own hosts alone."""
    from edgecache.config.secrets import SecretsError, load_secrets
    from edgecache.origin.identity import host_keys

    try:
        keys = load_secrets(load_config(config).state_dir, os.environ).identity
    except SecretsError as error:
        refuse([str(error)])
    typer.echo(json.dumps({name: host_keys(key, hosts) for name, key in keys.items()}, indent=2))


@app.command(epilog="Example: edgecache secrets edge LHR50 > secrets.json; chmod 600 secrets.json")
def edge(
    location: Annotated[str, typer.Argument(help="The location on the other machine.")],
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Print `secrets.json` for a machine of one location: by it, it is that location alone."""
    from edgecache.cluster.credentials import edge_place, part_of
    from edgecache.config.secrets import SecretsError, load_secrets, spelled

    found = load_config(config)
    if location not in [one.name for one in found.locations]:
        refuse([f'there is no location "{location}"'])
    try:
        secrets = load_secrets(found.state_dir, os.environ)
        place = edge_place(location)
        peer = {name: part_of(secret, place) for name, secret in secrets.peer.items()}
    except (SecretsError, ValueError) as error:
        refuse([str(error)])
    typer.echo(spelled(secrets, peer, with_origins=found.edges_ask_origins), nl=False)


def _take(state_dir: str, kind: SecretKind, step: RotationStep) -> str:
    """Take a step; a line that says what is so now."""
    from edgecache.config.secrets import SecretsError, change_keys, new_secret

    key_id = time.strftime(KEY_ID, time.gmtime())
    changes: dict[RotationStep, Callable[[Keys], Keys]] = {
        RotationStep.ADD: lambda keys: with_new_key(keys, key_id, new_secret(os.urandom)),
        RotationStep.SIGN: signing_with_new_key,
        RotationStep.DROP: without_old_keys,
    }
    kept: list[str] = []

    def change(keys: Keys) -> Keys:
        if any(value.startswith(DERIVED) for value in keys.values()):
            raise ValueError(
                "this machine has keys derived for it; change them where those are from"
            )
        changed = changes[step](keys)
        kept.extend(changed)
        return changed

    try:
        path = change_keys(state_dir, os.environ, PARTS[kind], change)
    except (SecretsError, ValueError) as error:
        refuse([f"rotate {kind} --step {step}: {error}"])
    others = ", ".join(kept[:-1])
    accepted = f"; accepted beside it: {others}" if others else ""
    return f"{step}: {path}: {kind}: {kept[-1]} signs{accepted}"


def _refuse_early(state_dir: str, kind: SecretKind) -> None:
    """What was signed by the old key may be under way for as long as it is good."""
    from edgecache.config.secrets import operators_path, secrets_path

    path: Path = secrets_path(state_dir, os.environ)
    operators = operators_path(state_dir, os.environ)
    if kind is SecretKind.OPERATORS and operators.exists():  # else a former release has them there
        path = operators
    left_s = path.stat().st_mtime + LASTS_S[kind] - time.time() if path.exists() else 0.0
    if left_s > 0:
        refuse([f"{path} was changed lately: wait {left_s:.0f} s, or say --now"])
