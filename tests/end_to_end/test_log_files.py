"""Tests read the logs of an hour whether they are compressed already or not."""

from __future__ import annotations

import gzip
from pathlib import Path

from tests.end_to_end.log_files import log_records, log_text

PROCESS = "edge-LHR50-1"


def test_lines_of_every_hour_are_there_once(tmp_path: Path) -> None:
    before, now = f"{PROCESS}.2026-12-01-01.ab12", f"{PROCESS}.2026-12-01-02.ab12"
    (tmp_path / f"{before}.gz").write_bytes(gzip.compress(b"#Version: 1.0\none\t1\n"))
    (tmp_path / f"{before}.log").write_bytes(b"#Version: 1.0\none\t1\n")  # about to be taken away
    (tmp_path / f"{before}.gz.part").write_bytes(b"half")
    (tmp_path / f"{now}.log").write_bytes(b"#Version: 1.0\ntwo\t2\n")
    (tmp_path / f"{now}.log.1").write_bytes(b"three\t3\n")
    (tmp_path / f"{before}.json.gz").write_bytes(gzip.compress(b'{"a": 1}\n'))
    (tmp_path / f"{now}.json").write_bytes(b'{"a": 2}\n')
    (tmp_path / "regional.2026-12-01-02.ab12.log").write_bytes(b"another\n")
    assert log_records(tmp_path, "edge") == [["one", "1"], ["two", "2"], ["three", "3"]]
    assert log_text(tmp_path, "edge", "json") == '{"a": 1}\n{"a": 2}\n'
