"""Lambda functions over real processes, Node.js and Python, edge and regional cache.

`docs/lambda-functions.md`. The origin is `scripted_origin`'s server: it tells what it was asked.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.end_to_end.installation import Installation, Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import Answer, curl

ARN = "arn:aws:lambda:us-east-1:000000000000:function"
FUNCTIONS = {  # name: runtime, handler, timeout
    "rewrite": ("python", "app.rewrite", 5),
    "answer": ("nodejs", "index.handler", 5),
    "stamp": ("python", "app.stamp", 5),
    "mark": ("nodejs", "index.mark", 5),
    "hostile": ("python", "hostile.handler", 1),
}
SITE = f"""
[distributions.default_behavior]
origin = "played"
allowed_methods = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
cache_policy = {{ query_strings = {{ behavior = "all" }} }}
lambda_function_associations = [
  {{ event_type = "viewer-request", function_arn = "{ARN}:rewrite:1", include_body = true }},
  {{ event_type = "origin-request", function_arn = "{ARN}:answer:1" }},
  {{ event_type = "origin-response", function_arn = "{ARN}:stamp:1" }},
  {{ event_type = "viewer-response", function_arn = "{ARN}:mark:1" }},
]

[[distributions.behaviors]]
path_pattern = "/hostile/*"
origin = "played"
lambda_function_associations = [
  {{ event_type = "viewer-request", function_arn = "{ARN}:hostile:1" }},
]

[[distributions.behaviors]]
path_pattern = "/plain/*"
origin = "played"
"""
APP = """
import base64

runs = 0

def rewrite(event, context):
    global runs
    runs += 1
    request = event["Records"][0]["cf"]["request"]
    if request["uri"] == "/runs":
        return {"status": "403", "body": f"{runs} {context.function_name}"}
    if request["method"] == "POST":
        data = base64.b64decode(request["body"]["data"]).upper()
        request["body"] |= {"action": "replace", "data": base64.b64encode(data).decode()}
    request["headers"]["x-rewritten"] = [{"value": "1"}]
    if request["uri"].endswith("/"):
        request["uri"] += "index.html"
    return request

def stamp(event, context):
    response = event["Records"][0]["cf"]["response"]
    response["headers"]["x-stamped"] = [{"key": "X-Stamped", "value": "VERSION"}]
    return response
"""
INDEX = """
exports.handler = async (event) => {
  const request = event.Records[0].cf.request;
  if (request.uri === '/generated')
    return { status: '200', headers: { 'cache-control': [{ value: 'max-age=60' }] },
             body: String(process.hrtime.bigint()) };
  request.headers['x-from'] = [{ key: 'X-From', value: request.origin.custom.domainName }];
  return request;
};
exports.mark = (event, context, callback) => {
  const response = event.Records[0].cf.response;
  response.headers['x-marked'] = [{ value: context.functionVersion }];
  callback(null, response);
};
"""
HOSTILE = """
import os

def handler(event, context):
    request = event["Records"][0]["cf"]["request"]
    what = request["uri"].rpartition("/")[2]
    if what == "loop":
        while True: pass
    if what == "exit":
        os._exit(1)
    if what == "memory":
        return {"status": "200", "body": str(len("x" * 10**10))}
    if what == "large":
        return {"status": "200", "body": "x" * 41_000}
    if what == "huge":
        return {"status": "200", "body": "x" * 20_000_000}
    if what == "print":
        for _ in range(100): print("x" * 100)
    if what == "raise":
        raise ValueError("as asked")
    return {"status": "200", "body": str(os.getpid())}
"""


class ToldOrigin(BaseHTTPRequestHandler):
    """An origin that tells what it was asked, by whom."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body in one piece: no delayed acknowledgement is waited for

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length", 0))
        fields = {name.lower(): value for name, value in self.headers.items()}
        asked = {"path": self.path, "fields": fields, "body": self.rfile.read(length).decode()}
        body = json.dumps(asked).encode()
        self.send_response(200)
        self.send_header("cache-control", "max-age=60")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    if shutil.which("node") is None:
        pytest.skip("there is no node here")
    server = ThreadingHTTPServer(("127.0.0.1", 0), ToldOrigin)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    folder = tmp_path_factory.mktemp("lambdas")
    installation = make_installation(folder, played=server.server_port, workers=1)
    write(installation, "one")
    running = start_up(installation)
    yield running
    assert running.process.stop() == 0, running.process.stderr
    server.shutdown()
    server.server_close()
    assert not left_over(folder)


def write(installation: Installation, version: str) -> None:
    installation.write()
    code = installation.folder / "code"
    code.mkdir(exist_ok=True)
    code.joinpath("app.py").write_text(APP.replace("VERSION", version))
    code.joinpath("index.js").write_text(INDEX)
    code.joinpath("hostile.py").write_text(HOSTILE)
    text, site, _ = installation.config.read_text().rpartition("\n[distributions.default_behavior]")
    assert site
    for name, (runtime, handler, timeout_s) in FUNCTIONS.items():
        text += f'\n[[lambda_functions]]\nname = "{name}"\nruntime = "{runtime}"\nfolder = "code"\n'
        text += f'handler = "{handler}"\ntimeout_s = {timeout_s}\nprocesses_max = 2\n'
    head, mark, tail = text.partition('id = "EPLAYED"')
    sites, functions = tail.split("\n[[lambda_functions]]", 1)
    text = f"{head}{mark}{sites}{SITE}\n[[lambda_functions]]{functions}"
    installation.config.write_text(text)


def left_over(folder: Path) -> list[str]:
    """Worker processes that are still there: each has the folder of its code for its own."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "cwd").startswith(str(folder / "code")):
                    found.append(entry.name)
            except OSError:
                continue
    return found


def asks(edge: str, path: str, *options: str) -> Answer:
    return curl(f"{edge}{path}", "-H", "Host: played.test", *options)


def test_four_functions_of_two_runtimes_around_a_miss_and_a_hit(up: Up) -> None:
    first = asks(up.lhr, "/a/?b=c")
    assert (first.status, first.x_cache) == (200, "Miss")
    told = json.loads(first.body)
    assert told["path"] == "/a/index.html?b=c"
    assert told["fields"]["x-from"] == "127.0.0.1"
    assert "x-rewritten" not in told["fields"], "what is in no policy goes no further"
    for edge in (up.lhr, up.nrt):  # the other one from the regional cache
        got = asks(edge, "/a/index.html?b=c")
        assert (got.status, got.body) == (200, first.body)
        assert got.x_cache == "Hit"
        assert (got.fields["x-stamped"], got.fields["x-marked"]) == ("one", "1")


def test_a_body_is_seen_and_replaced_before_it_goes_on(up: Up) -> None:
    got = asks(up.lhr, "/form", "--data", "a=b")
    told = json.loads(got.body)
    assert told["body"] == "A=B"
    assert told["fields"]["content-length"] == "3"


def test_an_answer_at_origin_request_is_stored(up: Up) -> None:
    first = asks(up.lhr, "/generated")
    assert (first.status, first.x_cache) == (200, "LambdaGeneratedResponse")
    for edge in (up.lhr, up.nrt):
        got = asks(edge, "/generated")
        assert (got.x_cache, got.body) == ("Hit", first.body)


def test_an_answer_at_viewer_request_is_not_and_a_module_stays_loaded(up: Up) -> None:
    runs = set()
    for _ in range(6):
        got = asks(up.lhr, "/runs")
        assert (got.status, got.x_cache) == (403, "LambdaGeneratedResponse")
        count, name = got.body.decode().split()
        assert name == "us-east-1.rewrite"
        runs.add(int(count))
    assert len(runs) >= 3, "at most two processes, each of which counts on"


FAILURES = [
    ("loop", 503, "LambdaExecutionError"),
    ("exit", 503, "LambdaExecutionError"),
    ("memory", 503, "LambdaExecutionError"),
    ("raise", 503, "LambdaExecutionError"),
    ("huge", 503, "LambdaExecutionError"),
    ("large", 502, "LambdaValidationError"),
    ("print", 200, "LambdaGeneratedResponse"),
]


@pytest.mark.parametrize(("what", "status", "word"), FAILURES)
def test_a_hostile_handler_harms_nobody_and_the_next_run_goes_well(
    up: Up, what: str, status: int, word: str
) -> None:
    before = up.node("edge-LHR50-1")["pid"]
    got = asks(up.lhr, f"/hostile/{what}")
    assert (got.status, got.x_cache) == (status, word)
    assert asks(up.lhr, "/plain/a").status == 200

    def well() -> bool:
        return asks(up.lhr, "/hostile/well").status == 200

    wait_for("a process is there again", well)
    assert up.node("edge-LHR50-1")["pid"] == before


def test_explain_tells_what_functions_made_of_a_path(up: Up) -> None:
    asks(up.lhr, "/told.html")
    url = f"{up.lhr}/told.html".replace("127.0.0.1", "played.test")
    code, out, errors = up.installation.run("explain", url)
    assert code == 0, errors
    assert "Lambda function rewrite:1 runs at viewer-request" in out
    assert "function rewrite:1 at viewer-request" in out
    assert "+ headers.x-rewritten" in out
    assert "headers.x-from" in out


def test_a_reload_brings_other_code(up: Up) -> None:
    assert asks(up.lhr, "/v1").fields["x-stamped"] == "one"
    write(up.installation, "two")
    code, _, errors = up.installation.run("reload")
    assert code == 0, errors
    paths = iter(f"/v2-{count}" for count in range(10_000))
    wait_for("it runs", lambda: asks(up.lhr, next(paths)).fields["x-stamped"] == "two")


def test_check_tells_what_cannot_be_run(up: Up) -> None:
    code = up.installation.folder / "code"
    broken = {
        "app.py": "def rewrite(event, context): ...\n",
        "hostile.py": "def handler(event, context):\n  return (\n",
        "index.js": "exports.handler = async () => {\n",
    }
    good = {name: code.joinpath(name).read_text() for name in broken}
    for name, text in broken.items():
        code.joinpath(name).write_text(text)
    status, out, errors = up.installation.run("check")
    for name, text in good.items():
        code.joinpath(name).write_text(text)
    assert status != 0
    for problem in ('app.py has no "stamp"', "hostile.py, line 2", "index.js"):
        assert problem in out + errors
