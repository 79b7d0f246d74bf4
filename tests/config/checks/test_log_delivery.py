"""Where logs may be delivered: the problems of a file, each with its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecache.config.lint import lint
from edgecache.config.load import load
from edgecache.config.model import Config, LogBucket, LogDelivery
from edgecache.config.problems import ConfigError

LOCATION = """
[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"

[[distributions]]
id = "E1"
origins = [{ id = "o", domain_name = "127.0.0.1" }]
default_behavior = { origin = "o" }
logging = { enabled = true, bucket = "logs", prefix = "%PREFIX%" }

"""
S3 = 'bucket = "logs"\nendpoint = "https://s3.test"'
FOLDER = 'bucket = "logs"\nfolder = "logs"'


def problems(folder: Path, *buckets: str, prefix: str = "", settings: str = "") -> list[str]:
    text = LOCATION.replace("%PREFIX%", prefix) + f"[log_delivery]\n{settings}\n"
    text += "".join(f"[[log_delivery.buckets]]\n{bucket}\n" for bucket in buckets)
    (folder / "edgecache.toml").write_text(text)
    try:
        load(folder / "edgecache.toml")
    except ConfigError as error:
        return [f"{one.where}: {one.message}" for one in error.problems]
    return []


@pytest.mark.parametrize(
    ("bucket", "problem"),
    [
        ('folder = "x"', "bucket: missing"),
        ('bucket = "a b"\nfolder = "x"', 'bucket: "a b" is not the name of a bucket'),
        ('bucket = "b"', "folder: missing, and there is no endpoint: a bucket is a folder or"),
        (f'{S3}\nfolder = "x"', "folder: with an endpoint: a bucket is a folder or in a store"),
        (f'{FOLDER}\ncredential = "c"', "credential: is a store's, and this is a folder"),
        (f'{FOLDER}\nname = "other"', "name: is a store's, and this is a folder"),
        ('bucket = "b_b"\nendpoint = "https://s3.test"', 'name: "b_b" is not what S3 calls'),
        (f'{S3}\nname = "UPPER"', 'name: "UPPER" is not what S3 calls a bucket'),
        (f'{S3}\nregion = "a b"', 'region: "a b" is not a region'),
        (f'{S3}\ncredential = "a/b"', 'credential: "a/b" is not the name of a key pair'),
        ('bucket = "logs"\nendpoint = "s3.test"', 'endpoint: "s3.test" is not a URL'),
        ('bucket = "logs"\nendpoint = "ftp://s3.test"', 'endpoint: "ftp://s3.test" is not a URL'),
        ('bucket = "logs"\nendpoint = "https://s3.test:x"', "endpoint: is not a URL"),
        ('bucket = "logs"\nendpoint = "https://s3.test?a=b"', "endpoint: "),
        ('bucket = "logs"\nendpoint = "https://AKID:s3cret@s3.test"', "endpoint: has a user in it"),
        (f'{FOLDER}\nsecret_access_key = "x"', "secret_access_key: "),
    ],
)
def test_a_bucket_is_one_place(tmp_path: Path, bucket: str, problem: str) -> None:
    found = problems(tmp_path, bucket)
    assert any(one.startswith(f"log_delivery.buckets[0].{problem}") for one in found), found
    assert not any("s3cret" in one for one in found)


@pytest.mark.parametrize("bucket", [S3, FOLDER, f'{S3}\ncredential = "minio"\nregion = "eu-1"'])
def test_what_is_right_has_no_problem(tmp_path: Path, bucket: str) -> None:
    assert problems(tmp_path, bucket, prefix="a/b/", settings='interval_s = "5m"') == []


def test_a_bucket_is_named_once(tmp_path: Path) -> None:
    assert problems(tmp_path, S3, FOLDER) == [
        'log_delivery.buckets[1].bucket: "logs" is named twice'
    ]


def test_there_are_not_too_many(tmp_path: Path) -> None:
    many = [f'bucket = "b{number}"\nfolder = "x"' for number in range(65)]
    assert problems(tmp_path, *many) == ["log_delivery.buckets: 65 are more than 64"]


@pytest.mark.parametrize("prefix", ["../x", "a/../b", "a//b", "./a", "x" * 257, "\\u0007"])
def test_a_prefix_stays_in_its_bucket(tmp_path: Path, prefix: str) -> None:
    (problem,) = problems(tmp_path, FOLDER, prefix=prefix)
    assert problem.startswith("distributions[0].logging.prefix: ")


@pytest.mark.parametrize(
    ("settings", "where"),
    [("interval_s = 0.5", "interval_s"), ('spool_bytes_max = "1 KiB"', "spool_bytes_max")],
)
def test_numbers_have_bounds(tmp_path: Path, settings: str, where: str) -> None:
    (problem,) = problems(tmp_path, FOLDER, settings=settings)
    assert problem.startswith(f"log_delivery.{where}: ")


@pytest.mark.parametrize(
    ("bucket", "name"),
    [
        (LogBucket(bucket="logs.s3.amazonaws.com"), "logs"),
        (LogBucket(bucket="my.logs.s3.eu-west-2.amazonaws.com"), "my.logs"),
        (LogBucket(bucket="logs.s3-eu-west-2.amazonaws.com"), "logs"),
        (LogBucket(bucket="logs.s3.cn-north-1.amazonaws.com.cn"), "logs"),
        (LogBucket(bucket="logs.minio.test"), "logs.minio.test"),
        (LogBucket(bucket="logs.s3.amazonaws.com", name="other"), "other"),
    ],
)
def test_what_a_store_calls_a_bucket(bucket: LogBucket, name: str) -> None:
    assert bucket.store_name == name


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    assert (
        problems(tmp_path, FOLDER, 'bucket = "logs2"\nendpoint = "https://s"\nca_file = "c"') == []
    )
    first, second = load(tmp_path / "edgecache.toml").log_delivery.buckets
    assert first.folder == str(tmp_path / "logs")
    assert (second.folder, second.ca_file) == ("", str(tmp_path / "c"))


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [
        ("http://minio.test:9000", True),
        ("https://minio.test", False),
        ("http://127.0.0.1:9000", False),
        ("http://localhost:9000", False),
        ("http://[::1]:9000", False),
    ],
)
def test_logs_that_go_in_clear_are_told(endpoint: str, warned: bool) -> None:
    bucket = LogBucket(bucket="logs", endpoint=endpoint)
    config = Config(log_delivery=LogDelivery(buckets=(bucket,)))
    places = [warning.where for warning in lint(config)]
    assert places == ["log_delivery.buckets[0].endpoint"] * warned


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('formats = ["standard", "json"]\nfields = ["sc-status", "asn", "cs(Cookie)"]', ""),
        ("formats = []", ""),
        ('formats = ["json"]\ntarget = "stdout"', ""),
        ('formats = ["json", "json"]', "access_log.formats: names a format twice"),
        (
            'formats = ["standard", "json"]\ntarget = "stdout"',
            "access_log.formats: the standard output takes one: who reads it expects it",
        ),
        ('fields = ["sc-status"]', 'access_log.fields: are of JSON lines: put "json" into formats'),
        (
            'formats = ["json"]\nfields = ["sc-statsu"]',
            'access_log.fields[0]: "sc-statsu" is not a field; did you mean sc-status?',
        ),
        (
            'formats = ["json"]\nfields = ["asn", "asn"]',
            'access_log.fields[1]: "asn" is named twice',
        ),
        ("days_max = 0", "access_log.days_max"),
        ('bytes_max = "1 MiB"', "access_log.bytes_max"),
        ('formats = ["xml"]', "access_log.formats"),
    ],
)
def test_what_an_access_log_may_be(tmp_path: Path, lines: str, said: str) -> None:
    path = tmp_path / "edgecache.toml"
    path.write_text(f"[access_log]\n{lines}\n")
    try:
        load(path)
        told = ""
    except ConfigError as error:
        told = str(error)
    assert said in told
    assert bool(said) == bool(told)
