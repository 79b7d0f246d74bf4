"""Words that processes share: what one writes the other reads, and what is handed over."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgecache.runtime.shared_words import (
    WORDS_FD_ENV,
    inherited_shared_words,
    make_shared_words,
    map_shared_words,
)

COUNT = 1_024
WRITES = """
from edgecache.runtime.shared_words import inherited_shared_words
shared = inherited_shared_words()
shared.words[7] = 2**64 - 1
print(shared.secret.hex())
assert inherited_shared_words() is None, "it is taken once"
"""


@pytest.fixture
def fd() -> int:
    made = make_shared_words(COUNT)
    assert made is not None
    return made


def test_what_another_process_writes_is_there(fd: int) -> None:
    shared = map_shared_words(fd)
    assert len(shared.words) == COUNT
    assert not any(shared.words)
    environment = {**os.environ, WORDS_FD_ENV: str(fd)}
    run = subprocess.run(
        [sys.executable, "-c", WRITES], env=environment, pass_fds=[fd], capture_output=True
    )
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.decode().strip() == shared.secret.hex()
    assert shared.words[7] == 2**64 - 1
    os.close(fd)


def test_its_age_is_the_same_for_all_who_map_it(fd: int) -> None:
    first, second = map_shared_words(fd), map_shared_words(fd)
    os.close(fd)
    assert 0 <= first.age_s <= second.age_s
    assert any(first.secret)


@pytest.mark.parametrize("text", ["", "x", "-1", "999999"])
def test_what_is_no_descriptor_is_nothing(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORDS_FD_ENV, text)
    assert inherited_shared_words() is None
    assert WORDS_FD_ENV not in os.environ


def test_a_descriptor_of_something_else_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv(WORDS_FD_ENV, str(reading))
    assert inherited_shared_words() is None
    os.close(writing)
    os.close(reading)


HOLDS = """
import sys
from edgecache.runtime.shared_words import inherited_shared_words
shared = inherited_shared_words()
sys.stdin.readline()
for _ in range(3_000):
    with shared.lock:
        shared.words[0] += 1
"""


def test_one_process_at_a_time_writes(fd: int) -> None:
    """Three that add to one word: nothing is lost."""
    environment = {**os.environ, WORDS_FD_ENV: str(fd)}
    command = [sys.executable, "-c", HOLDS]
    running = [
        subprocess.Popen(command, env=environment, pass_fds=[fd], stdin=subprocess.PIPE)
        for _ in range(3)
    ]
    for one in running:
        assert one.stdin is not None
        one.stdin.write(b"\n")
        one.stdin.close()
    assert [one.wait(60) for one in running] == [0, 0, 0]
    assert map_shared_words(fd).words[0] == 9_000
    os.close(fd)


def test_who_is_killed_lets_go(fd: int) -> None:
    holds = HOLDS.replace("for _ in range(3_000):\n    with", "if True:\n    with")
    holds += "        print(flush=True)\n        sys.stdin.readline()\n"
    environment = {**os.environ, WORDS_FD_ENV: str(fd)}
    holder = subprocess.Popen(
        [sys.executable, "-c", holds],
        env=environment, pass_fds=[fd], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == b"\n"
    holder.kill()
    holder.wait(60)
    holder.stdin.close()
    holder.stdout.close()
    with map_shared_words(fd).lock:
        pass
    os.close(fd)
