"""pytest plugin: the fixture `edgecache`, its mode, and what a failing test is told.

Law: who does not use the fixture pays nothing: of edgecache nothing more is imported before.

Loaded by the entry point `pytest11`; its name there is the module's, so that `-p` or
`pytest_plugins` naming it once more is no conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from edgecache.testing.installation import Edgecache
    from edgecache.testing.processes import DevProcesses

MODES = ("in_process", "processes")
_OPTION, _INI, _MARKER = "--edgecache-mode", "edgecache_mode", "edgecache"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The mode, by the command line or the ini file."""
    group = parser.getgroup("edgecache", "edgecache: a CDN in tests")
    group.addoption(
        _OPTION,
        choices=MODES,
        default=None,
        help="where the fixture edgecache runs: in_process (virtual time, milliseconds) or"
        " processes (`edgecache dev` on free ports, one for all tests of a worker)",
    )
    parser.addini(_INI, f"the same: {' or '.join(MODES)}", default=MODES[0])


def pytest_configure(config: pytest.Config) -> None:
    """The marker, and one line for a mode that is none."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(mode): where this test runs, whatever is configured: {MODES}"
    )
    mode = config.getini(_INI)
    if mode not in MODES:
        raise pytest.UsageError(f"{_INI}: {mode!r} is not one of {', '.join(MODES)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A marker that says no mode stops the run before any test, in one line."""
    for item in items:
        marker = item.get_closest_marker(_MARKER)
        if marker is not None and _marked(marker) not in MODES:
            raise pytest.UsageError(
                f"{item.nodeid}: edgecache{marker.args or marker.kwargs} has no mode of"
                f" {', '.join(MODES)}"
            )


def _marked(marker: pytest.Mark) -> Any:
    """The mode a marker says, where that is all it says."""
    said = [*marker.args, *(one for name, one in marker.kwargs.items() if name == "mode")]
    return said[0] if len(said) == len(marker.args) + len(marker.kwargs) == 1 else None


def _mode(request: pytest.FixtureRequest) -> str:
    marker = request.node.get_closest_marker(_MARKER)
    if marker is not None:
        return str(_marked(marker))
    return str(request.config.getoption(_OPTION) or request.config.getini(_INI))


@pytest.fixture(scope="session")
def edgecache_processes() -> Iterator[Callable[[], DevProcesses]]:
    """Gives the installation of real processes that the tests of this worker share.

    It starts with the first test that wants it; whoever uses it resets it.
    """
    started: list[DevProcesses] = []

    def give() -> DevProcesses:
        if not started:
            from edgecache.testing.processes import DevProcesses

            started.append(DevProcesses())
        return started[0]

    yield give
    for processes in started:
        processes.stop()


@pytest.fixture
def edgecache(
    request: pytest.FixtureRequest, edgecache_processes: Callable[[], DevProcesses]
) -> Iterator[Edgecache]:
    """An installation of edgecache for this test: origins, distributions, a clock. See
    docs/testing.md."""
    from edgecache.testing.installation import Edgecache, InstallationUnderTest

    installation: InstallationUnderTest
    if _mode(request) == "in_process":
        from edgecache.testing.in_process import InProcessInstallation

        installation = InProcessInstallation()
    else:
        from edgecache.testing.processes import ProcessesError, ProcessInstallation

        try:
            installation = ProcessInstallation(edgecache_processes())
        except ProcessesError as error:
            pytest.fail(str(error), pytrace=False)
    made = Edgecache(installation, request.path.parent)
    yield made
    made.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed is told its last answers, what every tier said of them, and the keys."""
    report = yield
    used: Any = getattr(item, "funcargs", {}).get("edgecache")
    told = report.when == "call" and report.failed and hasattr(used, "story")
    if told and (lines := list(used.story())):
        report.sections.append(("edgecache: what was asked", "\n".join(lines)))
    return report
