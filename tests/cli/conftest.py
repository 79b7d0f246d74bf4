"""The tree of commands, made of the functions once: for each command run here it is the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from typer.main import get_command


@pytest.fixture(autouse=True, scope="session")
def one_tree_of_commands() -> Iterator[None]:
    """typer's runner makes it anew for each command: a hundred functions' options, 0.1 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield
