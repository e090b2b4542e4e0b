"""The models of a resource type are built once for all tests whose files say the same of it: that takes 10 to 30 ms."""

import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from scim_core import composition
from scim_core.protocol import schemas as schemas_module
from scim_core.protocol.definition_checks import extensions_of
from scim_core.protocol.schemas import ResourceType, load_catalogue
from tests.scim import Json

MOST_KEPT = 100
"""Many tests declare types that no other test has."""

_built = schemas_module._resource_type


@contextmanager
def built_once() -> Iterator[None]:
    """Within the block, the same files give the same models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composition, "load_catalogue", functools.cache(load_catalogue))
        patch.setattr(schemas_module, "_resource_type", _resource_type)
        yield


def _resource_type(
    document: Json, schemas: Mapping[str, Json], endpoints: Mapping[str, str], given: frozenset[str]
) -> ResourceType:
    used = {document["schema"], *extensions_of(document, list(schemas))}
    named = {urn: schema for urn, schema in schemas.items() if urn in used}
    return _of_text(json.dumps([document, named, endpoints, sorted(given & used)]))


@functools.lru_cache(MOST_KEPT)
def _of_text(text: str) -> ResourceType:
    document, schemas, endpoints, given = json.loads(text)
    return _built(document, schemas, endpoints, frozenset(given))
