"""Distributions of a CloudFormation template in a test, with what they name.

Law: what a template has and a test cannot is refused, with the logical id; nothing is made then.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecache.control.migration.resource_documents import (
    MigrationError,
    ResourceDocuments,
    with_ids,
)
from edgecache.control.migration.template import read_template, read_template_file
from edgecache.control.state.resources import ResourceKind
from edgecache.testing.distribution_document import (
    DistributionInput,
    OriginAddress,
    RefusedDocumentError,
    distribution_input,
)
from edgecache.testing.scripted_origin import ScriptedOrigin

if TYPE_CHECKING:
    from edgecache.testing.installation import InstallationUnderTest

MADE_BEFORE = (  # in this order: groups name keys
    ResourceKind.PUBLIC_KEY,
    ResourceKind.KEY_GROUP,
    ResourceKind.ACCESS_CONTROL,
    ResourceKind.ACCESS_IDENTITY,
    ResourceKind.CACHE_POLICY,
    ResourceKind.ORIGIN_REQUEST_POLICY,
    ResourceKind.RESPONSE_HEADERS_POLICY,
)


def read_documents(
    template: Mapping[str, Any] | str | Path,
    parameters: Mapping[str, str],
    values: Mapping[str, str],
) -> ResourceDocuments:
    """The resources of a template, or of the file that holds it. RefusedDocumentError."""
    source = "template" if isinstance(template, Mapping) else Path(template).name
    try:
        if not isinstance(template, Mapping):
            template = read_template_file(Path(template).read_text(), source)
        found = read_template(template, source, parameters=parameters, attributes=values)
        found.raise_problems()
    except OSError as error:
        raise RefusedDocumentError(source, [(error.strerror or str(error)).lower()]) from None
    except MigrationError as error:
        raise RefusedDocumentError(source, error.problems) from None
    stores = found.of(ResourceKind.KEY_VALUE_STORE)
    told = [f"{one.place}: a test has no key value stores" for one in stores]
    for each in found.lambda_functions.values():
        told.append(f"{each.place}: a test has no Lambda functions")
    if told:
        raise RefusedDocumentError(source, told)
    return found


def create_named(
    installation: InstallationUnderTest, documents: ResourceDocuments
) -> dict[str, str]:
    """Make what distributions name; the ids of the template to those that it got here."""
    ids: dict[str, str] = {}
    for kind in MADE_BEFORE:
        for one in documents.of(kind):
            ids[one.id] = installation.create(kind, with_ids(one, ids))
    for one in documents.of(ResourceKind.FUNCTION):
        config = one.config
        runtime = config["FunctionConfig"]["Runtime"]
        installation.create_function(one.name, config["FunctionCode"], runtime)
    return ids


def site_inputs(
    documents: ResourceDocuments,
    origins: Mapping[str, OriginAddress] | ScriptedOrigin,
    ids: dict[str, str],
) -> dict[str, DistributionInput]:
    """Each distribution by its logical id, with the origins of the test that stand for its own.

    One origin stands for all of them. `ids` are put in the place of the template's.
    RefusedDocumentError.
    """
    inputs = {}
    for one in documents.of(ResourceKind.DISTRIBUTION):
        named = [each["Id"] for each in one.config["Origins"].get("Items", ())]
        given = dict.fromkeys(named, origins) if isinstance(origins, ScriptedOrigin) else origins
        known: dict[str, OriginAddress] = {id: given[id] for id in named if id in given}
        inputs[one.place] = distribution_input(with_ids(one, ids), known, {}, one.place)
    return inputs
