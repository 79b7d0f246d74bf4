"""Key value stores in a file: read from what CloudFront imports, named by functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.functions import FunctionConfig
from edgecache.config.key_value_stores import (
    KeyValueStoreConfig,
    items_bytes,
    read_data_files,
    read_import,
    store_id,
    with_store_ids,
)
from edgecache.config.problems import Problems


def read(folder: Path, store: KeyValueStoreConfig) -> tuple[KeyValueStoreConfig, list[str]]:
    problems = Problems()
    (one,) = read_data_files((store,), folder, problems)
    return one, [str(problem) for problem in problems.found]


def test_what_a_data_file_holds_is_read(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text('{"data": [{"key": "a", "value": "ü"}]}')
    one, problems = read(tmp_path, KeyValueStoreConfig(name="r", data_file="d.json"))
    assert problems == []
    assert one == KeyValueStoreConfig(name="r", id=store_id("r"), items={"a": "ü"})
    assert items_bytes(one.items) == 3


def test_what_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    _, problems = read(tmp_path, KeyValueStoreConfig(name="r", data_file="d.json"))
    assert problems == ['key_value_stores[0].data_file: "d.json": no such file or directory']
    (tmp_path / "d.json").write_text("{}")
    _, problems = read(tmp_path, KeyValueStoreConfig(name="r", data_file="d.json"))
    assert problems[0].startswith('key_value_stores[0].data_file: "d.json": not {"data": [')
    both = KeyValueStoreConfig(name="r", data_file="d.json", items={"a": "1"})
    assert read(tmp_path, both)[1] == ["key_value_stores[0].data_file: not used with items"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b'{"data": [{"key": "a"}]}', b'{"data": [{"key": 1, "value": "x"}]}',
        b'{"data": [{"key": "a", "value": "x", "more": 1}]}', b'\xff{"data": []}',
        b'{"data": [{"key": "a", "value": "x"}, {"key": "a", "value": "y"}]}',
    ],
)  # fmt: skip
def test_what_is_no_import(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"data|twice"):
        read_import(content)


def test_functions_name_stores_by_name_or_id() -> None:
    stores = (KeyValueStoreConfig(name="r", id="1"),)
    by_name = FunctionConfig(name="f", key_value_stores=("r",))
    by_id = FunctionConfig(name="g", key_value_stores=("1",))
    named = with_store_ids((by_name, by_id), stores)
    assert [one.key_value_stores for one in named] == [("1",), ("1",)]
