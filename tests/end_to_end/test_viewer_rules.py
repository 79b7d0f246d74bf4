"""Rules of behaviors over real processes, with curl and htpasswd: `docs/viewer-rules.md`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import Installation, Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.viewers import Answer, curl

STRANGER = ("--interface", "127.0.0.2")
KINDS = ["-B", "-m", "-2", "-5", "-s"]
RULES = """
[distributions.default_behavior]
origin = "bucket"
redirects = [
  { hosts = ["localhost"], to_host = "127.0.0.1" },
  { path = "/old/*", to = "/$1" },
]
request_headers = { set = { X-Team = "blue" }, remove = ["X-Debug"] }
purge = { access_list = { rules = [{ number = 1, action = "allow", sources = ["127.0.0.1"] }] } }

[[distributions.behaviors]]
path_pattern = "/staff/*"
origin = "bucket"
basic_auth = { file = "staff.htpasswd", realm = "Staff" }

[[distributions.behaviors]]
path_pattern = "/short/*"
origin = "bucket"
maintenance = MAINTENANCE
"""
SHORT = 'cache_control_rules = { "short/*" = "max-age=1" }\n'
OFF = "{ enabled = false }"
ON = '{ enabled = true, retry_after_s = 77, message = "Back at six." }'

if shutil.which("htpasswd") is None:  # .ci/run has it
    pytest.skip("no htpasswd here (apache2-utils)", allow_module_level=True)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("rules")
    installation = make_installation(folder, workers=1)
    for name in ("staff/a.html", "short/a.html", "short/b.html"):
        path = folder / "bucket" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"this is {name}")
    users(folder, *KINDS)
    write(installation, OFF)
    running = start_up(installation)
    yield running
    assert running.process.stop() == 0, running.process.stderr


def write(installation: Installation, maintenance: str) -> None:
    """The configuration with these rules."""
    installation.write()
    rules = RULES.replace("MAINTENANCE", maintenance)
    text = installation.config.read_text()
    text = text.replace('default_behavior = { origin = "bucket" }\n', "", 1)
    text = text.replace("[bucket]\n", f"[bucket]\n{SHORT}", 1)
    installation.config.write_text(
        text.replace('access = "identity"\n', f'access = "identity"\n{rules}', 1)
    )


def users(folder: Path, *kinds: str) -> None:
    """A user of each kind of hash, whose password is his own name twice."""
    new = folder / "new.htpasswd"
    new.unlink(missing_ok=True)
    new.touch()
    for kind in kinds:
        user = f"user{kind}"
        subprocess.run(
            ["htpasswd", "-b", kind, str(new), user, user * 2], check=True, capture_output=True
        )
    new.rename(folder / "staff.htpasswd")


def reload(up: Up, maintenance: str) -> None:
    write(up.installation, maintenance)
    code, _, errors = up.installation.run("reload")
    assert code == 0, errors


def knows(up: Up, user: str, password: str) -> Answer:
    return curl(f"{up.lhr}/staff/a.html", "--user", f"{user}:{password}")


def test_redirects_are_followed_to_the_operators_host(up: Up) -> None:
    got = curl(f"{up.lhr}/old/about.html?x=1")
    assert (got.status, got.fields["location"]) == (301, "/about.html?x=1")
    assert curl(f"{up.lhr}/old/about.html", "--location").status == 200
    local = up.lhr.replace("127.0.0.1", "localhost")
    got = curl(f"{local}//evil.test/x", "--path-as-is", "-4")
    assert got.status == 301
    assert got.fields["location"] == f"{up.lhr}//evil.test/x"
    got = curl(f"{up.lhr}/old//evil.test/", "--path-as-is")
    assert got.fields["location"] == "/evil.test/"


def test_users_of_every_kind_of_hash_are_let_in_and_nobody_else(up: Up) -> None:
    got = curl(f"{up.lhr}/staff/a.html")
    assert got.status == 401
    assert got.fields["www-authenticate"] == 'Basic realm="Staff", charset="UTF-8"'
    for kind in KINDS:
        user = f"user{kind}"
        assert knows(up, user, user * 2).body == b"this is staff/a.html"
        assert knows(up, user, user * 2).x_cache == "Hit"  # whoever asked for it first
        assert knows(up, user, user).status == 401
    assert knows(up, "stranger", "x").status == 401
    assert curl(f"{up.lhr}/staff%2fa.html").status in (400, 401)


def test_a_file_that_changes_counts_at_once(up: Up) -> None:
    assert knows(up, "user-B", "user-Buser-B").status == 200
    folder = up.installation.folder
    users(folder, "-5")
    wait_for("the user is gone", lambda: knows(up, "user-B", "user-Buser-B").status == 401)
    assert knows(up, "user-5", "user-5user-5").x_cache == "Hit"
    (folder / "staff.htpasswd").write_text("user-5:plain\n")
    up.process.until("the line is told", lambda: "staff.htpasswd:1: neither bcrypt" in said(up))
    assert knows(up, "user-5", "user-5user-5").status == 200
    code, out, errors = up.installation.run("check")
    assert code != 0
    assert "staff.htpasswd:1: neither bcrypt" in out + errors
    users(folder, *KINDS)
    wait_for("they are back", lambda: knows(up, "user-B", "user-Buser-B").status == 200)


def said(up: Up) -> str:
    """What the processes have said."""
    return up.process.stderr


def test_maintenance_serves_what_is_stored_and_else_a_page(up: Up) -> None:
    assert curl(f"{up.lhr}/short/a.html").status == 200
    reload(up, ON)

    def stands_in() -> bool:
        got = curl(f"{up.lhr}/short/a.html")
        assert (got.status, got.body) == (200, b"this is short/a.html")
        return int(got.fields["age"]) > 1  # than which it is fresh no longer

    def is_down() -> bool:
        return curl(f"{up.lhr}/short/b.html").status == 503

    wait_for("the configuration is there", is_down)
    wait_for("it is stale, and given", stands_in)
    got = curl(f"{up.lhr}/short/b.html")
    assert got.fields["retry-after"] == "77"
    assert b"Back at six." in got.body
    assert curl(f"{up.lhr}/about.html").status == 200  # of another behavior
    reload(up, OFF)
    wait_for("it is over", lambda: curl(f"{up.lhr}/short/b.html").status == 200)


def purge(up: Up, token: str, *options: str) -> Answer:
    shown = ("--header", f"Authorization: Bearer {token}") if token else ()
    return curl(f"{up.lhr}/about.html", "--request", "PURGE", *shown, *options)


def test_a_purge_takes_an_address_and_a_token(up: Up) -> None:
    code, token, _ = up.installation.run("token")
    assert code == 0
    token = token.strip().splitlines()[-1]
    for _ in range(2):
        got = curl(f"{up.lhr}/about.html")
    assert got.x_cache == "Hit"
    assert purge(up, token, *STRANGER).status == 403
    assert purge(up, "").status == 401
    assert purge(up, token[:-3] + "xyz").status == 401
    listed = up.asked_control("/invalidations/ESITE")["invalidations"]
    assert listed == []
    assert curl(f"{up.lhr}/about.html").x_cache == "Hit"
    got = purge(up, token)
    report = json.loads(got.body)
    assert (got.status, report["status"]) == (200, "Completed")
    (listed,) = up.asked_control("/invalidations/ESITE")["invalidations"]
    assert (listed["id"], listed["paths"]) == (report["invalidation"], ["/about.html"])
    assert curl(f"{up.lhr}/about.html").x_cache == "Miss"


def test_explain_says_which_rules_bear(up: Up) -> None:
    _, told, _ = up.installation.run("explain", f"{up.lhr}/old/a")
    assert "not admitted: 301 redirects[1] to /a" in told
    _, told, _ = up.installation.run("explain", f"{up.lhr}/staff/a.html")
    assert "basic_auth: a user of" in told
    _, told, _ = up.installation.run("explain", f"{up.lhr}/about.html", "--header", "X-Debug: 1")
    assert "request_headers: x-debug of the viewer not taken" in told
    assert "x-team: blue" in told.lower()
