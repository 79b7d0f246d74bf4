"""Worker processes of Lambda functions, real ones: hostile handlers, and what they inherit."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgecache.config.lambda_functions import LambdaFunctionConfig, LambdaRuntime
from edgecache.functions.lambda_pool import LambdaWorker, WorkerLostError
from edgecache.functions.lambda_process import (
    LOG_BYTES_PER_S,
    WorkerLog,
    WorkerProcess,
    start_worker,
)
from edgecache.runtime.environment import DaemonThread

THREAD = DaemonThread("lambda")
RUNTIMES: list[LambdaRuntime] = ["python", "nodejs"]
ECHO = {
    "python": "def handler(event, context):\n    return event\n",
    "nodejs": "exports.handler = async (event) => event;\n",
}


def function(folder: Path, code: str, runtime: LambdaRuntime = "python") -> LambdaFunctionConfig:
    if runtime == "nodejs" and shutil.which("node") is None:
        pytest.skip("there is no node here")
    suffix = "py" if runtime == "python" else "js"
    folder.joinpath(f"app.{suffix}").write_text(code)
    return LambdaFunctionConfig(
        name="f", runtime=runtime, folder=str(folder), handler="app.handler"
    )


class Told:
    """What workers have printed, line by line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.came = asyncio.Event()

    def __call__(self, _label: str, line: str) -> None:
        self.lines.append(line)
        self.came.set()


def played(
    made: LambdaFunctionConfig, play: Callable[[LambdaWorker, Told], Any]
) -> tuple[Any, Told]:
    """What comes of a play with a worker of the function, which is killed afterwards."""

    async def run() -> tuple[Any, Told]:
        told = Told()
        async with asyncio.timeout(60):
            worker = await start_worker(made, thread=THREAD, tell=told)
            try:
                return await play(worker, told), told
            finally:
                worker.kill()
                await THREAD(lambda: None)  # it was waited for

    return asyncio.run(run())


async def asked(worker: LambdaWorker, event: Any) -> Any:
    message = {"event": event, "request_id": "id", "arn": "arn"}
    return msgspec.json.decode(await worker.run(msgspec.json.encode(message)))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_handler_gets_events_and_gives_results(tmp_path: Path, runtime: LambdaRuntime) -> None:
    async def play(worker: LambdaWorker, _told: Told) -> list[Any]:
        events = [{"a": "\u00e9"}, {"b": "x" * 300_000}, None]
        return [await asked(worker, event) for event in events]

    answers, _ = played(function(tmp_path, ECHO[runtime], runtime), play)
    assert answers == [
        {"result": {"a": "\u00e9"}}, {"result": {"b": "x" * 300_000}}, {"result": None}
    ]  # fmt: skip


KEEPS = {
    "python": "n = 0\ndef handler(event, context):\n"
    "    global n\n    n += 1\n    print('run', n)\n    return [n, context.aws_request_id]\n",
    "nodejs": "let n = 0;\nexports.handler = (event, context, callback) => {\n"
    "  n += 1; console.log('run', n); callback(null, [n, context.awsRequestId]); };\n",
}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_module_stays_loaded_and_what_it_prints_is_a_log(
    tmp_path: Path, runtime: LambdaRuntime
) -> None:
    async def play(worker: LambdaWorker, told: Told) -> list[Any]:
        results = [(await asked(worker, {}))["result"] for _ in range(2)]
        while len(told.lines) < 2:
            told.came.clear()
            await told.came.wait()
        return results

    results, told = played(function(tmp_path, KEEPS[runtime], runtime), play)
    assert results == [[1, "id"], [2, "id"]]
    assert told.lines == ["run 1", "run 2"]


FAILING = [
    ("python", "def handler(event, context):\n    raise ValueError('x\\ny')\n", "ValueError: x"),
    ("python", "def handler(event, context):\n    return handler\n", "TypeError: Object of type"),
    ("python", "def handler(event, context):\n    return 'x' * 9_000_000\n", "answer is too large"),
    ("python", "def handler(event, context):\n    return 'x' * 10**10\n", "MemoryError"),
    ("nodejs", "exports.handler = async () => { throw new TypeError('x'); };", "TypeError: x"),
    ("nodejs", "exports.handler = (e, c, callback) => callback('no');", "no"),
    ("nodejs", "exports.handler = async () => 'x'.repeat(9e6);", "answer is too large"),
]


@pytest.mark.parametrize(("runtime", "code", "error"), FAILING)
def test_a_run_that_fails_is_told_and_the_process_goes_on(
    tmp_path: Path, runtime: LambdaRuntime, code: str, error: str
) -> None:
    async def play(worker: LambdaWorker, _told: Told) -> list[Any]:
        return [await asked(worker, {}) for _ in range(2)]

    answers, _ = played(function(tmp_path, code, runtime), play)
    for answer in answers:
        assert error in answer["error"]
        assert "\n" not in answer["error"]


ENDING = [
    ("python", "import os\ndef handler(event, context):\n    os._exit(3)\n"),
    ("python", "import sys\ndef handler(event, context):\n    sys.exit(3)\n"),
    ("python", "import os\ndef handler(event, context):\n    os.kill(os.getpid(), 11)\n"),
    (
        "python",  # a message that is none, where only the host speaks
        "import os\ndef handler(event, context):\n"
        "    for fd in range(3, 64):\n        try: os.write(fd, b'\\xff' * 64)\n"
        "        except OSError: pass\n    return {}\n",
    ),
    ("nodejs", "exports.handler = async () => process.exit(3);"),
    ("nodejs", "exports.handler = async () => { setImmediate(() => { throw 1; });"
     " await new Promise(() => {}); };"),
    ("nodejs", "exports.handler = async () => { const a = [];"
     " for (;;) a.push(new Array(1e6).fill(7)); };"),
]  # fmt: skip


@pytest.mark.parametrize(("runtime", "code"), ENDING)
def test_a_process_that_ends_is_told_as_lost(
    tmp_path: Path, runtime: LambdaRuntime, code: str
) -> None:
    async def play(worker: LambdaWorker, _told: Told) -> None:
        with pytest.raises(WorkerLostError):
            await asked(worker, {})
        assert not worker.alive

    played(function(tmp_path, code, runtime), play)


UNLOADABLE = [
    ("python", "def handler(event, context):\n  return (\n"),
    ("python", "raise ValueError('x')\n"),
    ("python", "other = 1\n"),
    ("nodejs", "exports.handler = async () => {"),
    ("nodejs", "throw new Error('x');"),
    ("nodejs", "exports.other = 1;"),
]


@pytest.mark.parametrize(("runtime", "code"), UNLOADABLE)
def test_a_handler_that_cannot_be_loaded_is_told(
    tmp_path: Path, runtime: LambdaRuntime, code: str
) -> None:
    async def run() -> None:
        with pytest.raises(WorkerLostError, match="it cannot be loaded"):
            await start_worker(function(tmp_path, code, runtime), thread=THREAD, tell=Told())
        await THREAD(lambda: None)

    asyncio.run(run())


INHERITS = """
import os, resource
def handler(event, context):
    return {"env": dict(os.environ), "fds": os.listdir("/proc/self/fd"), "cwd": os.getcwd(),
            "leader": os.getsid(0) == os.getpid(), "core": resource.getrlimit(4)[0]}
"""


def test_nothing_of_ours_is_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECACHE_SECRET_FOR_TESTS", "x")
    kept = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(kept, True)

    async def play(worker: LambdaWorker, _told: Told) -> Any:
        return (await asked(worker, {}))["result"]

    try:
        found, _ = played(function(tmp_path, INHERITS), play)
    finally:
        os.close(kept)
    assert found["cwd"] == str(tmp_path)
    assert found["leader"]
    assert found["core"] == 0
    assert len(found["fds"]) == 5, found["fds"]  # 0 to 2, the socket, the folder that is listed
    assert set(found["env"]) <= {
        "AWS_DEFAULT_REGION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION", "AWS_REGION", "LAMBDA_TASK_ROOT", "LANG", "LC_CTYPE", "PATH",
        "TZ", "_HANDLER",
    }  # fmt: skip


CHILDREN = """
import subprocess
child = subprocess.Popen(["sleep", "1000"])
def handler(event, context):
    return child.pid
"""


def test_what_a_process_has_started_ends_with_it(tmp_path: Path) -> None:
    async def play(worker: LambdaWorker, _told: Told) -> tuple[int, int]:
        assert isinstance(worker, WorkerProcess)
        return worker.pid, os.pidfd_open((await asked(worker, {}))["result"])

    (pid, child), _ = played(function(tmp_path, CHILDREN), play)
    assert not Path(f"/proc/{pid}").exists()
    ended, _, _ = select.select([child], [], [], 60)
    os.close(child)
    assert ended


def test_a_loop_is_ended_by_being_killed(tmp_path: Path) -> None:
    async def play(worker: LambdaWorker, _told: Told) -> None:
        run = asyncio.ensure_future(asked(worker, {}))
        await asyncio.wait([run], timeout=0.05)
        assert not run.done()
        worker.kill()
        with pytest.raises(WorkerLostError):
            await run

    played(function(tmp_path, "def handler(event, context):\n    while True: pass\n"), play)


class PausedTransport(asyncio.ReadTransport):
    """A transport that notes whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


def test_a_flood_of_lines_is_read_no_faster_than_it_may() -> None:
    async def run() -> None:
        lines: list[str] = []
        log, transport = WorkerLog(lines.append), PausedTransport()
        log.connection_made(transport)
        log.data_received(b"x" * LOG_BYTES_PER_S)
        assert not transport.reads
        assert all(len(line) <= 4_096 for line in lines)
        log._refill()
        assert transport.reads
        log.data_received(b"a\nb")
        log.connection_lost(None)
        assert lines[-2:] == ["a", "b"]

    asyncio.run(run())
