"""Blocks of pages hold what their language says: configurations are checked in context."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.documents.blocks import REASONS, ROOT, SETTING, SHELL, Block, every_block, pages, steps
from tests.documents.fragments import problems_of

BLOCKS = every_block()
NOT_RUN_MAX = 29
LANGUAGES = {
    *("", "sh", "bash", "console", "toml", "python", "json", "yaml", "text", "js", "html"),
    *("haproxy", "nginx", "ini", "php", "ruby", "hcl", "promql", "dockerfile", "xml"),
}


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def test_every_fence_is_read() -> None:
    for page in pages():
        fences = [line for line in page.read_text().splitlines() if line.lstrip()[:3] == "```"]
        assert len(fences) == 2 * sum(block.page == page for block in BLOCKS), page


def test_every_comment_before_a_block_is_understood() -> None:
    for page in pages():
        lines = page.read_text().splitlines()
        said = [
            comment
            for comment, fence in pairwise(lines)
            if comment.strip().startswith("<!--") and fence.lstrip().startswith("```")
        ]
        assert len(said) == sum(bool(block.said) for block in BLOCKS if block.page == page), page


def test_languages_are_known() -> None:
    assert {block.language for block in BLOCKS} <= LANGUAGES


@pytest.mark.parametrize("block", of("toml"), ids=lambda block: block.name)
def test_a_fragment_of_a_configuration_can_be_used(block: Block, tmp_path: Path) -> None:
    assert not problems_of(block, tmp_path)


def test_a_wrong_fragment_is_found(tmp_path: Path) -> None:
    for text in ('[control]\nlisen = "a"\n', 'orgin = "web"\n', '[limits]\nidle_s_max = "soon"\n'):
        assert problems_of(Block(ROOT / "README.md", 1, "toml", text), tmp_path)


@pytest.mark.parametrize("block", of("python"), ids=lambda block: block.name)
def test_python_can_be_compiled(block: Block) -> None:
    compile(block.text, block.name, "exec")


def test_json_and_yaml_can_be_read() -> None:
    for block in of("json"):
        json.loads(block.text)
    for block in of("yaml"):
        list(yaml.safe_load_all(block.text))


def test_shell_blocks_that_are_not_run_have_a_known_reason_and_are_few(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shells = of(*SHELL)
    left_out = [block for block in shells if "not run" in block.said]
    with capsys.disabled():
        print(f"\n{len(shells)} shell blocks, {len(left_out)} of them not run")
    for block in left_out:
        assert block.said["not run"].partition(";")[0] in REASONS, block.name
    assert len(left_out) <= NOT_RUN_MAX


def test_each_reason_is_needed() -> None:
    given = {block.said.get("not run", "").partition(";")[0] for block in BLOCKS}
    assert given >= REASONS


def test_settings_are_read_in_their_order(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- setting | own: origin\nedgecache up\n-->\n\n```sh\necho\n```\n")
    setting, block = steps(page)
    assert (setting.language, setting.text, setting.said) == (
        SETTING,
        "edgecache up\n",
        {"own": "origin"},
    )
    assert all(block.is_run for block in steps(page))
    assert block.text == "echo\n"


def test_every_setting_is_read() -> None:
    for page in pages():
        lines = page.read_text().splitlines()
        said = [line for line in lines if line.startswith("<!-- setting")]
        found = [block for block in steps(page) if block.language == SETTING]
        assert len(found) == len(said), page


def test_tests_that_reasons_name_are_there() -> None:
    for block in BLOCKS:
        for word in block.said.get("not run", "").replace(",", " ").split():
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), f"{block.name}: {word}"
