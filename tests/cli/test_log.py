"""The live log in a terminal: lines, one request's tree, and nothing that a terminal obeys."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgecache.cli.client import controls_of
from edgecache.cli.log import _line, in_order, log_lines, read_lines, request_tree, shown
from edgecache.cli.main import app
from edgecache.cluster.client import ControlAnswer, ControlQuestion
from edgecache.cluster.control_access import ControlAccess
from edgecache.cluster.log_readers import DEFAULT_FIELDS, PATH_FIELDS

USUAL = {
    "time": "12:00:01", "node": "edge-LHR50-1", "cs-method": "GET", "x-host-header": "h.test",
    "cs-uri-stem": "/a%2520b", "cs-uri-query": "-", "sc-status": "200", "reason": "-",
    "x-edge-result-type": "Hit", "sc-bytes": "512", "time-taken": "0.001",
}  # fmt: skip


def line(**told: str) -> str:
    row = [(USUAL | told).get(name, "-") for name in DEFAULT_FIELDS]
    return _line(DEFAULT_FIELDS, row, plain=False, as_json=False)


def test_a_line_is_for_people() -> None:
    assert line() == "12:00:01 edge-LHR50-1 200 Hit GET h.test/a%20b 512 B 0.001 s"
    told = {"cs-uri-query": "q=1", "x-edge-result-type": "Miss", "reason": "absent"}
    assert "200 Miss (absent) GET h.test/a%20b?q=1 512 B" in line(**told)


@pytest.mark.parametrize("odd", ["%1B%5B2J", "%9B2J", "%0D%0A", "%E2%80%AE", "%FF%00", "%07"])
def test_nothing_in_it_is_obeyed(odd: str) -> None:
    told = line(**{"cs-uri-stem": f"/{odd}", "x-host-header": odd, "cs-uri-query": odd})
    assert told.isprintable()
    fields = ("cs-uri-stem", "cs(User-Agent)")
    assert _line(fields, [odd, odd], plain=True, as_json=False).replace("\t", "").isprintable()
    told = _line(fields, [odd, "\x1b"], plain=False, as_json=True)
    assert told.isascii()
    assert told.isprintable()
    assert json.loads(told) == {"cs-uri-stem": odd, "cs(User-Agent)": "\x1b"}


def test_a_value_is_shown_as_it_was_sent() -> None:
    assert shown("/%C3%A9%20%2520") == "/é %20"


def row(tier: str, **told: str) -> dict[str, str]:
    usual = {
        "tier": tier, "node": f"{tier}-1", "date": "2024-01-01", "cs-protocol": "https",
        "x-edge-detailed-result-type": "Miss", "x-edge-result-type": "Miss", "reason": "absent",
        "time-to-first-byte": "0.100", "time-taken": "0.120", "c-ip": "192.0.2.1",
        "x-edge-request-id": "abc==",
    }  # fmt: skip
    names = {"id": "origin-id", "status": "origin-status", "fbl": "origin-fbl", "lbl": "origin-lbl"}
    made = USUAL | usual | {names.get(name, name): value for name, value in told.items()}
    return {name: made.get(name, "-") for name in PATH_FIELDS}


def test_a_request_is_a_tree_of_its_tiers() -> None:
    regional = row("regional", id="web", status="200", fbl="0.080", lbl="0.090", **{
        "time-taken": "0.110"})  # fmt: skip
    edge = row("edge", id="regional", status="200", fbl="0.099", lbl="0.110")
    rows = in_order([regional, edge, dict(edge)])
    assert request_tree(rows) == [
        "abc==",
        "GET https://h.test/a%20b  2024-01-01 12:00:01 UTC, from 192.0.2.1",
        "└─ edge edge-1  200 Miss: absent, asked regional  first byte 0.100 s, all 0.120 s, 512 B",
        "   └─ regional regional-1  200 Miss: absent, asked web"
        "  first byte 0.100 s, all 0.110 s, 512 B",
        "      └─ origin web  200  first byte 0.080 s, last byte 0.090 s",
    ]


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        ([row("edge", id="regional", fbl="0.1")], "regional: its own record is not found"),
        ([row("edge", reason="-")], "origin: not in this log (access_log.formats has no"),
        ([row("edge", reason="-", **{"x-edge-result-type": "Hit"})], "└─ edge edge-1  200 Miss"),
    ],
)
def test_what_is_not_known_is_said(rows: list[dict[str, str]], last: str) -> None:
    assert last in request_tree(rows)[-1]


@pytest.mark.parametrize("options", [(), ("-f", "--request-id", "abc=="), ("status=1",)])
def test_either_is_followed_or_one_is_looked_for(options: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["log", *options])
    assert result.exit_code == 2
    assert "say -f" in result.output


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_not_admitted_any_more_is_told_and_does_not_ask_for_ever(
    status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refused(control: ControlAccess, question: ControlQuestion) -> ControlAnswer:
        return ControlAnswer(status, {}, b"{}")

    monkeypatch.setattr("edgecache.cluster.client.put_question", refused)
    with pytest.raises(typer.Exit):
        asyncio.run(read_lines(ControlAccess("http://control.test"), "r1"))
    assert f"answered {status}: it does not admit us any more" in capsys.readouterr().err


class Controls:
    """Two controls, each with a node of its own; those of `away` are out of reach."""

    def __init__(self, *away: str) -> None:
        self.away = away
        self.ended: list[str] = []

    async def __call__(self, control: ControlAccess, question: ControlQuestion) -> ControlAnswer:
        name = control.url.removeprefix("http://")
        if name in self.away:
            raise OSError("out of reach")
        if question.method == "DELETE":
            self.ended.append(name)
            return ControlAnswer(200, {}, b"{}")
        if question.method == "POST":
            report = {"id": "r", "fields": ["node"], "nodes": [name], "elsewhere": ["other"]}
            return ControlAnswer(201, {}, json.dumps(report).encode())
        lines = {"fields": ["node"], "rows": [[name]], "lost": 0, "nodes": [name]}
        return ControlAnswer(200, {}, json.dumps(lines).encode())


BOTH = [ControlAccess("http://one"), ControlAccess("http://two")]


async def seen(controls: list[ControlAccess], wanted: set[str]) -> set[str]:
    nodes: set[str] = set()
    reading = log_lines(controls, {})
    async for lines in reading:
        nodes |= {row[0] for row in lines.rows}
        if nodes >= wanted:
            break
    await reading.aclose()
    return nodes


def test_a_reader_reads_at_all_controls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    controls = Controls()
    monkeypatch.setattr("edgecache.cluster.client.put_question", controls)
    assert asyncio.run(seen(BOTH, {"one", "two"})) == {"one", "two"}
    assert sorted(controls.ended) == ["one", "two"]
    assert capsys.readouterr().err == "", "those elsewhere are asked for, too"
    asyncio.run(seen(BOTH[:1], {"one"}))
    assert "not seen here, they follow another control: other" in capsys.readouterr().err


def test_a_control_that_is_away_costs_its_nodes_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgecache.cluster.client.put_question", Controls("two"))
    assert asyncio.run(seen(BOTH, {"one"})) == {"one"}
    assert "out of reach" in capsys.readouterr().err
    monkeypatch.setattr("edgecache.cluster.client.put_question", Controls("one", "two"))
    with pytest.raises(typer.Exit):
        asyncio.run(seen(BOTH, {"one"}))


def test_each_named_control_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECACHE_CONTROL", "127.0.0.1:1,127.0.0.1:2,127.0.0.1:1")
    monkeypatch.setenv("EDGECACHE_TOKEN", "t")
    found = controls_of(Path("none.toml"))
    assert [(one.url, one.token, one.others) for one in found] == [
        ("http://127.0.0.1:1", "t", ()), ("http://127.0.0.1:2", "t", ()),
    ]  # fmt: skip
