"""The lock holds all that runs and tests this, at versions `pyproject.toml` accepts."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.end_to_end.installation import ROOT


def wanted() -> list[str]:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = told["project"]["optional-dependencies"]
    tests = extras["dev"] + extras["acme"]  # the chart's library is not locked
    lists = [told["build-system"]["requires"], told["project"]["dependencies"], tests]
    return [requirement for each in lists for requirement in each]


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = (Requirement(line) for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


@pytest.mark.parametrize("text", wanted())
def test_what_is_wanted_is_locked(text: str) -> None:
    requirement = Requirement(text)
    version = locked().get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} is not in requirements.lock"
    assert requirement.specifier.contains(version, prereleases=True)
