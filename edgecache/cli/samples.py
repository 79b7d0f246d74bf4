"""Sample projects that the package brings along, and their copies in a user's folder.

They are those of `examples/`: in a checkout they stand there, in an installed package in its folder
`samples` (`pyproject.toml`).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import edgecache

PACKAGE = Path(edgecache.__file__).resolve().parent
PLACES = (PACKAGE / "samples", PACKAGE.parent / "examples")
MADE = ("__pycache__", ".pytest_cache", "node_modules")  # by who has run one where it stands


class SampleError(ValueError):
    """One line that says why there is no copy."""


def samples() -> dict[str, Path]:
    """The folder of each sample, by its name; none where a package was made without them."""
    found = next((place for place in PLACES if place.is_dir()), None)
    return {one.name: one for one in sorted(found.iterdir()) if one.is_dir()} if found else {}


def copy_sample(name: str, target: Path, *, force: bool) -> list[str]:
    """Copy a sample into `target`; the files that are there then, seen from it. SampleError.

    `force`: into a folder that is there, over files of the same names.
    """
    known = samples()
    if name not in known:
        raise SampleError(f"--sample: {name} is not one of {', '.join(known) or 'none'}")
    if target.exists() and not force:
        raise SampleError(
            f"{target}: is there already: go elsewhere, or say --force to write in it"
        )
    try:
        shutil.copytree(
            known[name], target, ignore=shutil.ignore_patterns(*MADE), dirs_exist_ok=force
        )
    except OSError as error:
        raise SampleError(f"{target}: {error}") from None
    whole = (path for path in known[name].rglob("*") if path.is_file())
    names = [path.relative_to(known[name]) for path in whole]
    return sorted(str(one) for one in names if not {*one.parts} & {*MADE})
