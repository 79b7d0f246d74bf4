"""Command log: requests as they come, from all nodes; and one request through all tiers.

Law: what came from viewers and origins is shown, never obeyed by a terminal.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from edgecache.cli.client import controls_of
from edgecache.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, fail, printable, refuse

if TYPE_CHECKING:
    from edgecache.cluster.control_access import ControlAccess
    from edgecache.control.nodes.log_readers import LogLines
    from edgecache.control.rest.log_readers import LogReaderReport

WAIT_S = 1.0  # for what is new, in one question
AGAIN_S = 1.0  # until control is asked again that did not answer
LOOK_S_MAX = 30.0  # for every process to have looked into its files, on a busy machine
NO_VALUE = "-"

app = typer.Typer()
Tier = Annotated[str, typer.Option(help="edge (what viewers ask), regional or all.")]
Filter = Annotated[str, typer.Argument(help="""As in 'status>=500 and path~"/api/"'.""")]
Sample = Annotated[float, typer.Option(min=0.025, max=100, help="So many of a hundred requests.")]


@app.command(
    epilog="""Examples: edgecache log -f 'status>=500'; edgecache log -f --json 'path~"/api/"'"""
)
def log(
    filter: Filter = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show them as they come.")] = False,
    request_id: Annotated[
        str, typer.Option(help="Show one request at every tier: its X-Amz-Cf-Id.")
    ] = "",
    fields: Annotated[str, typer.Option(help="Only these, by commas: status,path,taken.")] = "",
    tier: Tier = "edge",
    sample: Sample = 100,
    count: Annotated[int, typer.Option(min=0, help="End after so many; 0: never.")] = 0,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show requests as they come, those that a filter chooses; or one request through all tiers."""
    if bool(request_id) == follow:
        refuse(["say -f to follow requests as they come, or --request-id ID to see one of them"])
    controls = controls_of(config)
    wish: dict[str, Any] = {"filter": filter, "percent": sample, "tier": tier}
    if fields:
        wish["fields"] = [name.strip() for name in fields.split(",")]
    if request_id:
        run(_show_one(controls, request_id, as_json=as_json))
    else:
        run(_follow(controls, wish, count, plain=bool(fields), as_json=as_json))


def run(work: Any) -> None:
    import asyncio

    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        return


async def _follow(
    controls: Sequence[ControlAccess],
    wish: dict[str, Any],
    count: int,
    *,
    plain: bool,
    as_json: bool,
) -> None:
    shown = 0
    async for lines in log_lines(controls, wish):
        for row in lines.rows:
            typer.echo(_line(lines.fields, row, plain=plain, as_json=as_json))
            shown += 1
            if shown == count:
                return
        if lines.lost:
            typer.echo(f"edgecache: {lines.lost} more are not shown", err=True)


async def log_lines(
    controls: Sequence[ControlAccess], wish: dict[str, Any]
) -> AsyncGenerator[LogLines, None]:
    """What a reader of all these controls gets, for good. Exit code 1 if each refuses it."""
    import asyncio

    alone, left = len(controls) == 1, len(controls)
    # Of each control one answer, and then its end (None), or the defect that ends all.
    waiting: asyncio.Queue[tuple[LogLines | Exception | None, asyncio.Semaphore]]
    waiting = asyncio.Queue(2 * left)

    async def read(control: ControlAccess) -> None:
        room = asyncio.Semaphore(1)  # of its own: none waits for another that is quick
        try:
            async with aclosing(_lines_of(control, wish, alone=alone)) as reading:
                async for lines in reading:
                    await room.acquire()
                    waiting.put_nowait((lines, room))
        except typer.Exit:  # it was told why
            waiting.put_nowait((None, room))
        except Exception as error:
            waiting.put_nowait((error, room))

    tasks = [asyncio.create_task(read(control)) for control in controls]
    try:
        while left:
            lines, room = await waiting.get()
            room.release()
            if isinstance(lines, Exception):
                raise lines
            if lines is None:
                left -= 1
            else:
                yield lines
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise typer.Exit(1)


async def _lines_of(
    control: ControlAccess, wish: dict[str, Any], *, alone: bool
) -> AsyncGenerator[LogLines, None]:
    """What one control has; a reader that it forgot is begun anew."""
    import asyncio

    from edgecache.cli.client import NotAnsweredError

    report, away = await begin_reader(control, wish, alone=alone), False
    try:
        while True:
            try:
                lines = await read_lines(control, report.id)
                away = False
            except NotAnsweredError as error:
                if not away:
                    typer.echo(f"edgecache: {error}; asking again", err=True)
                away = True
                await asyncio.sleep(AGAIN_S)
                continue
            if lines is None:
                report = await begin_reader(control, wish, alone=alone)
                continue
            yield lines
    finally:
        await end_reader(control, report.id)


async def begin_reader(
    control: ControlAccess, wish: dict[str, Any], *, alone: bool = True
) -> LogReaderReport:
    """A reader at control. Exit code 1 where it is refused; nodes that are not seen are told where
    no other control is asked for them.
    """
    import json

    import msgspec

    from edgecache.cli.client import NotAnsweredError, answer_of
    from edgecache.cluster.client import ControlQuestion
    from edgecache.control.rest.log_readers import LogReaderReport

    question = ControlQuestion("/log-readers", "POST", json.dumps(wish).encode())
    try:
        answer = await answer_of(control, question)
    except NotAnsweredError as error:
        fail(str(error))
    report = msgspec.json.decode(answer.body, type=LogReaderReport)
    if report.elsewhere and alone:
        names = ", ".join(map(printable, report.elsewhere))
        typer.echo(f"edgecache: not seen here, they follow another control: {names}", err=True)
    if not report.nodes and alone:
        typer.echo("edgecache: no process reports to this control now", err=True)
    return report


async def read_lines(control: ControlAccess, id: str) -> LogLines | None:
    """What is new for a reader; None: control has forgotten it. NotAnsweredError."""
    import msgspec

    from edgecache.cli.client import NotAnsweredError
    from edgecache.cluster.client import CONTROL_S_MAX, ControlQuestion, put_question
    from edgecache.control.nodes.log_readers import LogLines

    target = f"/log-readers/{id}?wait_s={WAIT_S:g}"
    question = ControlQuestion(target, answer_s_max=WAIT_S + CONTROL_S_MAX)
    try:
        answer = await put_question(control, question)
    except OSError as error:
        raise NotAnsweredError(f"control at {control.url}: {error}") from error
    if answer.status == 404:
        return None
    if answer.status in (401, 403):  # a token's hour is over, a key was deleted
        fail(f"control at {control.url}: answered {answer.status}: it does not admit us any more")
    if answer.status != 200:
        raise NotAnsweredError(f"control at {control.url}: answered {answer.status}")
    return msgspec.json.decode(answer.body, type=LogLines)


async def end_reader(control: ControlAccess, id: str) -> None:
    """Have control forget a reader; if it cannot be told, it does so by itself."""
    import contextlib

    from edgecache.cluster.client import ControlQuestion, put_question

    with contextlib.suppress(OSError):
        await put_question(control, ControlQuestion(f"/log-readers/{id}", "DELETE"))


def _line(fields: Sequence[str], row: Sequence[str], *, plain: bool, as_json: bool) -> str:
    if as_json:
        import json

        return json.dumps(dict(zip(fields, row, strict=True)))
    if plain:
        return "\t".join(map(shown, row))
    told = dict(zip(fields, map(shown, row), strict=True))
    reason = "" if told["reason"] == NO_VALUE else f" ({told['reason']})"
    return (
        f"{told['time']} {told['node']} {told['sc-status']} {told['x-edge-result-type']}{reason}"
        f" {told['cs-method']} {_target(told)} {told['sc-bytes']} B {told['time-taken']} s"
    )


def _target(told: dict[str, str]) -> str:
    query = "" if told["cs-uri-query"] == NO_VALUE else f"?{told['cs-uri-query']}"
    return f"{told['x-host-header']}{told['cs-uri-stem']}{query}"


def shown(value: str) -> str:
    """A value of the log as it was sent, without what a terminal would obey."""
    return printable(unquote(value, errors="backslashreplace"))


async def _show_one(controls: Sequence[ControlAccess], request_id: str, *, as_json: bool) -> None:
    """One request at every tier, as the processes of all controls have it."""
    import asyncio
    import json

    alone = len(controls) == 1
    looks = [_rows_of(one, request_id, alone=alone) for one in controls]
    answers = await asyncio.gather(*looks, return_exceptions=not alone)
    rows = [row for answer in answers if isinstance(answer, list) for row in answer]
    if not rows:
        fail(f"no process has {printable(request_id)} in its log")
    rows = in_order(rows)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for line in request_tree(rows):
        typer.echo(line)


async def _rows_of(control: ControlAccess, request_id: str, *, alone: bool) -> list[dict[str, str]]:
    """Its records at the processes that follow one control, once every one of them has looked, or
    LOOK_S_MAX are over.
    """
    import asyncio

    from edgecache.cli.client import NotAnsweredError

    report = await begin_reader(control, {"request_id": request_id}, alone=alone)
    waited_for, rows = set(report.nodes), list[dict[str, str]]()
    try:
        async with asyncio.timeout(LOOK_S_MAX):
            while waited_for:
                lines = await read_lines(control, report.id)
                if lines is None:
                    fail("control has forgotten what was asked: ask again")
                rows += [dict(zip(lines.fields, row, strict=True)) for row in lines.rows]
                waited_for -= set(lines.nodes)
    except TimeoutError:
        names = ", ".join(sorted(waited_for))
        typer.echo(f"edgecache: no word within {LOOK_S_MAX:g} s of {names}", err=True)
    except NotAnsweredError as error:
        fail(str(error))
    finally:
        await end_reader(control, report.id)
    return rows


def in_order(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """What each process has of a request, from the viewer inwards, each told once."""
    apart = {tuple(sorted(row.items())): row for row in rows}
    return sorted(
        apart.values(), key=lambda row: (row["tier"] != "edge", -float(row["time-taken"]))
    )


def request_tree(rows: Sequence[dict[str, str]]) -> list[str]:
    """Lines of a tree: the request, then each tier below the one that asked it, then the origin."""
    told = [{name: shown(value) for name, value in row.items()} for row in rows]
    first = told[0]
    lines = [
        f"{first['x-edge-request-id']}",
        f"{first['cs-method']} {first['cs-protocol']}://{_target(first)}"
        f"  {first['date']} {first['time']} UTC, from {first['c-ip']}",
    ]
    indent = ""
    for one in told:
        lines.append(f"{indent}└─ {_tier_line(one)}")
        indent += "   "
    lines += [f"{indent}└─ {line}" for line in _origin_lines(told[-1])]
    return lines


def _tier_line(one: dict[str, str]) -> str:
    reason = "" if one["reason"] == NO_VALUE else f": {one['reason']}"
    asked = "" if one["origin-fbl"] == NO_VALUE else f", asked {one['origin-id']}"
    return (
        f"{one['tier']} {one['node']}  {one['sc-status']} {one['x-edge-detailed-result-type']}"
        f"{reason}{asked}  first byte {one['time-to-first-byte']} s, all {one['time-taken']} s,"
        f" {one['sc-bytes']} B"
    )


def _origin_lines(last: dict[str, str]) -> list[str]:
    """What the innermost tier that is known has of the origin, or why it is not known."""
    if last["origin-id"] not in (NO_VALUE, "regional"):
        return [
            f"origin {last['origin-id']}  {last['origin-status']}"
            f"  first byte {last['origin-fbl']} s, last byte {last['origin-lbl']} s"
        ]
    if last["origin-id"] == "regional":
        return ["regional: its own record is not found"]
    if last["x-edge-result-type"] in ("Miss", "RefreshHit") and last["reason"] == NO_VALUE:
        return ['origin: not in this log (access_log.formats has no "json", and nobody read)']
    return []
