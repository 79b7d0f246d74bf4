"""What the API has made, as it stands on disk. Law: looking changes nothing, and waits for nobody.

For commands beside a control process that may be running: they see a copy of its last commit.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import msgspec

from edgecache.control.state.catalog import made_of
from edgecache.control.state.compose import ComposedConfig
from edgecache.control.state.database import FILE_NAME, StateDatabase, StateError, state_error
from edgecache.control.state.releases import Releases
from edgecache.control.state.resources import Resources


def made_in(folder: Path) -> ComposedConfig:
    """What the state in `folder` holds; nothing where there is none. StateError: it is unusable."""
    path = folder / FILE_NAME
    if not path.is_file():
        return ComposedConfig()
    with TemporaryDirectory(prefix="edgecache-") as place:
        copied = Path(place) / FILE_NAME
        try:
            source = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
            with closing(source), closing(sqlite3.connect(copied)) as copy:
                source.backup(copy)
            with closing(StateDatabase(Path(place))) as state:
                return made_of(Resources(state), Releases(state))
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise state_error(path, error) from error
        except StateError as error:  # it names the copy
            raise StateError(str(error).replace(str(copied), str(path))) from error
