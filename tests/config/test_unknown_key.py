"""A key in the wrong table: where it belongs, or what was meant."""

from __future__ import annotations

import msgspec
import pytest

from edgecache.config import model as models
from edgecache.config.model import Behavior, Config, Location, Model, Origin
from edgecache.config.unknown_key import unknown_key
from tests.reference.aws_names import SHAPES, aws_name


@pytest.mark.parametrize(
    ("model", "key", "said"),
    [
        (
            Location,
            "certificate_file",
            "unknown key: certificate_file belongs to [control] or [dns] and others",
        ),
        (Location, "aliases", "unknown key: aliases belongs to [[distributions]]"),
        (Location, "lisen", 'unknown key (did you mean "listen"?)'),
        (Location, "tls", 'unknown key (did you mean "listen_tls"?)'),
        (
            Location,
            "certificate",
            "unknown key: certificate_file belongs to [control] or [dns] and others",
        ),
        (
            Location,
            "certificate_fil",
            "unknown key (did you mean certificate_file of [control] or [dns] and others?)",
        ),
        (
            Config,
            "workers",
            "unknown key: workers belongs to [[locations]] or [dns]",
        ),
        (Config, "zzz", "unknown key"),
        (Behavior, "ViewerProtocolPolicy", 'unknown key (did you mean "viewer_protocol_policy"?)'),
        (
            Behavior,
            "DefaultTTL",
            "unknown key: ttl_s_default belongs to [distributions.default_behavior.cache_policy]"
            " or [distributions.default_behavior.forwarded_values] and others",
        ),
        (Behavior, "state_dir", "unknown key: state_dir belongs to the top of the file"),
        (Origin, "DomainName", 'unknown key (did you mean "domain_name"?)'),
    ],
)
def test_what_is_said(model: type[Model], key: str, said: str) -> None:
    known = [field.encode_name for field in msgspec.structs.fields(model)]
    assert unknown_key(key, known, Config) == said


AWS_WORDS = [
    (getattr(models, name), field.encode_name, word.strip("`").rpartition(".")[2])
    for name in SHAPES
    for field in msgspec.structs.fields(getattr(models, name))
    if (word := aws_name(getattr(models, name), field.name))
]


def test_every_word_of_cloudfront_is_known_where_it_stands() -> None:
    assert len(AWS_WORDS) > 80
    for model, ours, word in AWS_WORDS:
        known = [field.encode_name for field in msgspec.structs.fields(model)]
        said = unknown_key(word, known, Config)
        assert said == f'unknown key (did you mean "{ours}"?)', f"{model.__name__}: {word}"


def test_a_small_table_says_all_it_knows() -> None:
    assert unknown_key("zzz", ["b", "a"], Config) == "unknown key (known: a, b)"
