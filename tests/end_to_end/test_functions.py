"""Functions over real processes, edge and regional cache: `docs/functions.md`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.end_to_end.installation import Installation, Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import curl

ASSOCIATED = """
[distributions.default_behavior]
origin = "bucket"
function_associations = [
  { event_type = "viewer-request", function = "rewrite" },
  { event_type = "viewer-response", function = "headers" },
]

[[distributions.behaviors]]
path_pattern = "/loop/*"
origin = "bucket"
function_associations = [{ event_type = "viewer-request", function = "loop" }]

[[distributions.behaviors]]
path_pattern = "/hook/*"
origin = "bucket"
function_associations = [{ event_type = "viewer-request", python_hook = "tenant" }]
"""
FUNCTIONS = """
[[python_hooks]]
name = "tenant"
file = "hooks.py"
function = "by_token"

[[functions]]
name = "rewrite"
code_file = "rewrite.js"

[[functions]]
name = "headers"
runtime = "cloudfront-js-1.0"
code_file = "headers.js"

[[functions]]
name = "loop"
code = "function handler(event) { while (true); }"
"""
HOOKS = """
def by_token(event):
    request = event["request"]
    if "x-token" not in request["headers"]:
        return {"statusCode": 401, "statusDescription": "Unauthorized"}
    request["uri"] = "/" + request["uri"].split("/")[-1] + ".html"
    return request
"""
REWRITE = """
const crypto = require('crypto');
function handler(event) {
    const request = event.request;
    console.log('asked for ' + request.uri);
    if (request.uri === '/own')
        return { statusCode: 403, statusDescription: 'Own', body: 'VERSION' };
    request.uri = '/' + request.uri.split('/').pop() + '.html';
    request.headers['x-digest'] = { value: crypto.createHash('md5').update('a').digest('hex') };
    return request;
}
"""
HEADERS = """
function handler(event) {
    event.response.headers['x-frame-options'] = { value: 'DENY' };
    event.response.headers['x-asked'] = { value: event.request.uri };
    return event.response;
}
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("functions")
    installation = make_installation(folder, workers=1)
    write(installation, "one")
    running = start_up(installation)
    yield running
    assert running.process.stop() == 0, running.process.stderr


def write(installation: Installation, version: str) -> None:
    installation.write()
    installation.folder.joinpath("rewrite.js").write_text(REWRITE.replace("VERSION", version))
    installation.folder.joinpath("headers.js").write_text(HEADERS)
    installation.folder.joinpath("hooks.py").write_text(HOOKS)
    text = installation.config.read_text()
    text = text.replace('default_behavior = { origin = "bucket" }\n', "", 1)
    text = text.replace('access = "identity"\n', f'access = "identity"\n{ASSOCIATED}', 1)
    installation.config.write_text(text + FUNCTIONS)


def test_functions_of_a_file_run_before_the_key_and_on_hits(up: Up) -> None:
    first = curl(f"{up.lhr}/a/b/about")
    assert (first.status, first.x_cache) == (200, "Miss")
    for path in ("/about", "/other/about"):
        got = curl(f"{up.lhr}{path}")
        assert (got.status, got.x_cache, got.body) == (200, "Hit", first.body)
        assert got.fields["x-frame-options"] == "DENY"
        assert got.fields["x-asked"] == "/about.html"
    got = curl(f"{up.nrt}/about")  # from the regional cache, which is told of no other behavior
    assert (got.status, got.body) == (200, first.body)
    assert "hit" in got.fields["cache-status"]


def test_a_function_answers_and_a_reload_brings_another(up: Up) -> None:
    got = curl(f"{up.lhr}/own")
    assert (got.status, got.body) == (403, b"one")
    assert got.x_cache == "FunctionGeneratedResponse"
    write(up.installation, "two")
    code, _, errors = up.installation.run("reload")
    assert code == 0, errors
    wait_for("the new one runs", lambda: curl(f"{up.lhr}/own").body == b"two")
    wait_for("everywhere", lambda: curl(f"{up.nrt}/own").body == b"two")


def test_a_loop_is_an_error_of_its_own_and_harms_nobody(up: Up) -> None:
    before = up.node("edge-LHR50-1")["pid"]
    words = set()
    for _ in range(24):
        got = curl(f"{up.lhr}/loop/x")
        assert got.status == 503
        words.add(got.x_cache)
        assert curl(f"{up.lhr}/about").status == 200
    assert words <= {"FunctionExecutionError", "FunctionThrottledError"}
    assert "FunctionExecutionError" in words
    assert up.node("edge-LHR50-1")["pid"] == before


def test_what_functions_log_is_told_of_every_edge(up: Up) -> None:
    curl(f"{up.lhr}/one/about")
    curl(f"{up.nrt}/two/about")
    code, out, errors = up.installation.run("functions", "logs", "rewrite")
    assert code == 0, errors
    lines = [line.split(" ", 1)[1] for line in out.splitlines()]
    assert "edge-LHR50-1 rewrite asked for /one/about" in lines
    assert "edge-NRT57-1 rewrite asked for /two/about" in lines
    code, out, _ = up.installation.run("functions", "logs", "headers", "--json")
    assert (code, out) == (0, "")


def test_a_python_hook_of_the_file_runs_in_every_edge(up: Up) -> None:
    for edge in (up.lhr, up.nrt):
        assert curl(f"{edge}/hook/about").status == 401
        got = curl(f"{edge}/hook/about", "-H", "X-Token: 1")
        assert (got.status, got.body) == (200, curl(f"{edge}/about").body)


def test_check_tells_what_is_wrong_with_a_source(up: Up) -> None:
    file = up.installation.folder / "headers.js"
    good = file.read_text()
    file.write_text("function handler(event) {\n  const a = 1;\n}\n")
    code, out, errors = up.installation.run("check")
    file.write_text(good)
    assert code != 0
    assert "functions[1].code: line 2: const is of cloudfront-js-2.0" in out + errors


def test_check_tells_what_is_wrong_with_a_hook(up: Up) -> None:
    file = up.installation.folder / "hooks.py"
    file.write_text("import no_such_module\n")
    code, out, errors = up.installation.run("check")
    file.write_text(HOOKS)
    assert code != 0
    assert "python_hooks[0]: " in out + errors
    assert "No module named 'no_such_module'" in out + errors
