"""What control says when it starts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from edgecache.config.model import Config, Control, Location
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.log import ControlLog
from edgecache.control.state.sqlite import SqliteDatabase
from edgecache.node.control_app import FILE_DIFFERS, ONE_HAS_CERTIFICATES, start_warnings


def test_what_does_not_go_together_with_other_controls_is_said(tmp_path: Path) -> None:
    file = Config(
        control=Control(),
        certificates="acme",
        locations=(Location(name="L1", listen="127.0.0.1:1"),),
    )
    with closing(SqliteDatabase(tmp_path)) as state:
        catalog = Catalog(state, ControlLog(state, lambda: 1.0), file, lambda: 1.0, bytes)
        catalog.publish(file, starting=True)
        assert [*start_warnings(catalog, others=0)] == []
        assert [*start_warnings(catalog, others=1)] == [ONE_HAS_CERTIFICATES]
        catalog.differs = True
        assert [*start_warnings(catalog, others=1)] == [FILE_DIFFERS, ONE_HAS_CERTIFICATES]
