"""`edgecache check` of stores for logs and the reserve: what this machine has for them."""

from __future__ import annotations

from pathlib import Path

from edgecache.cli.check import check_report
from edgecache.config.model import Config, LogBucket, LogDelivery, Reserve
from edgecache.config.secrets import KeyPair, put_key_pair


def test_a_key_pair_that_is_not_here_is_a_warning(tmp_path: Path) -> None:
    bucket = LogBucket(bucket="logs", endpoint="https://s3.test", credential="minio")
    delivery = LogDelivery(buckets=(bucket,))
    config = Config(state_dir=str(tmp_path / "state"), log_delivery=delivery)
    missing = (
        'log_delivery.buckets[0].credential: no key pair "minio" in secrets.json; '
        "run: edgecache keys store minio"
    )
    assert missing in check_report(config).warnings
    assert missing not in check_report(config, files=False).warnings
    put_key_pair(config.state_dir, {}, "another", KeyPair("A", "S"))
    assert missing in check_report(config).warnings
    put_key_pair(config.state_dir, {}, "minio", KeyPair("A", "S"))
    assert missing not in check_report(config).warnings


def test_of_a_reserve_the_key_pair_and_the_authorities_are_looked_for(tmp_path: Path) -> None:
    reserve = Reserve(
        endpoint="https://s3.test", bucket="cold", credential="cold", ca_file=str(tmp_path / "ca")
    )
    config = Config(state_dir=str(tmp_path / "state"), reserve=reserve)
    report = check_report(config)
    missing = 'no key pair "cold" in secrets.json; run: edgecache keys store cold'
    assert f"reserve.credential: {missing}" in report.warnings
    assert any(one.startswith("reserve.ca_file: ") for one in report.problems)
    put_key_pair(config.state_dir, {}, "cold", KeyPair("A", "S"))
    (tmp_path / "ca").write_text("")
    report = check_report(config)
    assert not [one for one in (*report.warnings, *report.problems) if one.startswith("reserve.")]


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    bucket = LogBucket(bucket="logs", folder=str(tmp_path / "none"))
    config = Config(state_dir=str(tmp_path), log_delivery=LogDelivery(buckets=(bucket,)))
    problem = f"log_delivery.buckets[0].folder: no such folder: {tmp_path / 'none'}"
    assert problem in check_report(config).problems
