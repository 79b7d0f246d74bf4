"""The version of the probe's object: the same at every control, and changed by one of them."""

from __future__ import annotations

from contextlib import closing

import pytest

from edgecache.control.state.probe_version import ProbeVersion
from tests.control.conftest import Opener, postgres_state
from tests.world.postgresql import TEMPLATE, PostgresServer


def fails() -> None:
    raise LookupError


def test_a_version_outlives_its_control_and_is_changed_with_what_is_beside(opened: Opener) -> None:
    with closing(opened()) as state:
        version = ProbeVersion(state)
        assert version.change(lambda: "beside") == (1, "beside")
        with pytest.raises(LookupError):
            version.change(fails)
        assert version.number == 2  # too new is never stale
    with closing(opened()) as state:
        assert ProbeVersion(state).number == 1


def test_one_control_changes_it_and_all_give_it(postgresql: PostgresServer) -> None:
    dsn = postgresql.new_database(TEMPLATE)
    with closing(postgres_state(dsn)) as one, closing(postgres_state(dsn)) as another:
        versions = [ProbeVersion(state) for state in (one, another)]
        assert [version.is_mine() for version in versions] == [True, False]
        versions[0].change(lambda: None)
        another.follow()
        assert [version.number for version in versions] == [1, 1]
