"""Which files of secrets a group may read: root's, and those of this process's own user."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgecache.config.secrets import (
    ROOT,
    SecretsError,
    add_viewer_secret,
    load_operators,
    load_secrets,
)

GOOD = {kind: {"k1": "0123456789abcdef0123456789abcdef"} for kind in ("peer", "identity")}


def written(path: Path, content: Any, mode: int) -> Path:
    path.write_text(json.dumps(content))
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
@pytest.mark.parametrize("load", [load_secrets, load_operators])
def test_a_group_may_read_what_is_our_own(tmp_path: Path, mode: int, load: Any) -> None:
    """A Secret that Kubernetes mounts for a user who is not root has mode 0440."""
    written(tmp_path / "secrets.json", GOOD, mode)
    written(tmp_path / "operators.json", {"operator": GOOD["peer"]}, mode)
    assert load(tmp_path, {})


@pytest.mark.parametrize("owner", [ROOT, 4711])
def test_whose_file_a_group_may_read(
    tmp_path: Path, owner: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's, or this process's own; not somebody else's."""
    path = written(tmp_path / "secrets.json", GOOD, 0o640)
    real = path.stat()
    belongs = os.stat_result((*real[:4], owner, *real[5:]))
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    monkeypatch.setattr("edgecache.config.secrets.os.fstat", lambda _: belongs)
    if owner == ROOT:
        assert load_secrets(tmp_path, {})
    else:
        with pytest.raises(SecretsError, match="others can use it"):
            load_secrets(tmp_path, {})


def test_a_change_keeps_who_may_read_it(tmp_path: Path) -> None:
    path = written(tmp_path / "secrets.json", GOOD, 0o640)
    add_viewer_secret(tmp_path, {}, "k2")
    kept = 0o640 if os.geteuid() == ROOT else 0o600  # only root gives a file to another's group
    assert path.stat().st_mode & 0o777 == kept
