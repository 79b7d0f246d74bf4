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
    shared.words[8] = 1  # it needs no descriptor


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
