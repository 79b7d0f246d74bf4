"""The file of one site: whatever it is made of, it loads as that and `check` is silent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgecache.config.lint import lint
from edgecache.config.load import load
from edgecache.config.model import Config
from edgecache.config.site_file import METHODS, SiteFile, toml

PLAIN = SiteFile("http://127.0.0.1:8000")


def written(site: SiteFile, folder: Path) -> Config:
    path = folder / "edgecache.toml"
    path.write_text(site.text(path, "A site.\nTwo lines."), encoding="utf-8")
    return load(path)


@pytest.mark.parametrize(
    "site",
    [
        PLAIN,
        replace(PLAIN, semantics="cloudfront", names=("www.example.org", "example.org")),
        replace(PLAIN, names=("*.example.org",), workers=4, underscores=True),
        replace(PLAIN, origin="https://origin.test/base/", ca_file="ca.pem", server_name="a.test"),
        replace(PLAIN, origin="http://[::1]:8000"),
        replace(PLAIN, listen="[::1]:8080", listen_tls="127.0.0.1:8443"),
        replace(PLAIN, listen_tls="127.0.0.1:8443", certificate_file="c.pem", key_file="k.pem"),
    ],
    ids=lambda site: site.origin,
)
def test_it_loads_without_a_warning(site: SiteFile, tmp_path: Path) -> None:
    found = written(site, tmp_path)
    assert lint(found) == []
    (distribution,), (location,) = found.distributions, found.locations
    assert (location.listen, location.listen_tls) == (site.listen, site.listen_tls)
    assert (location.workers, distribution.aliases) == (site.workers, site.names)
    assert found.limits.underscores_in_headers is site.underscores
    assert distribution.default_behavior.allowed_methods == METHODS


def test_the_origin_is_the_one_of_the_url(tmp_path: Path) -> None:
    (origin,) = (
        written(replace(PLAIN, origin="https://o.test:444/a/"), tmp_path).distributions[0].origins
    )
    assert (origin.domain_name, origin.https_port, origin.path) == ("o.test", 444, "/a")
    assert origin.protocol_policy == "https-only"
    (origin,) = written(PLAIN, tmp_path).distributions[0].origins
    assert (origin.domain_name, origin.http_port, origin.path) == ("127.0.0.1", 8000, "")


def test_paths_are_those_that_were_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    names = {"certificate_file": "c.pem", "key_file": str(tmp_path / "k.pem")}
    site = replace(PLAIN, state_dir="../var", **names)  # type: ignore[arg-type]
    found = written(site, tmp_path)
    certificate = found.distributions[0].viewer_certificate
    assert found.state_dir == str(tmp_path / "var")
    assert certificate.certificate_file == str(tmp_path / "here" / "c.pem")
    assert certificate.key_file == str(tmp_path / "k.pem")
    assert 'state_dir = "var"' in site.text(tmp_path / "x.toml", "")


@pytest.mark.parametrize(
    ("names", "id"),
    [(("*",), "site"), (("*.a.test", "a.test"), "site"), (("www.a.test", "*"), "www.a.test")],
)
def test_a_distribution_is_called_by_its_name(names: tuple[str, ...], id: str) -> None:
    assert replace(PLAIN, names=names).id == id


def test_no_variable_of_the_environment_is_meant(tmp_path: Path) -> None:
    folder = tmp_path / "${HOME}"
    assert written(replace(PLAIN, state_dir=str(folder)), tmp_path).state_dir == str(folder)


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb\t", "é\x7f", "# x", "'''"])
def test_text_stays_text(text: str, tmp_path: Path) -> None:
    import tomllib

    assert tomllib.loads(f"a = {toml(text)}") == {"a": text}
