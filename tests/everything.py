"""A resource type with every data type and every characteristic of RFC 7643 sections 2 and 7, in the core schema and in
an extension. Its files are generated: `files` writes them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scim_core.protocol.attribute_checks import TYPES, UNIQUE_TYPES
from tests.scim import Json, attribute, schema_files

CORE = "urn:example:params:scim:schemas:core:2.0:Everything"
EXTENSION = "urn:example:params:scim:schemas:extension:more:2.0:Everything"
SIMPLE = tuple(kind for kind in TYPES if kind != "complex")

VALUES: dict[str, tuple[Any, Any]] = {
    "string": ("A text", "Another text"),
    "boolean": (True, False),
    "decimal": (1.5, 2.25),
    "integer": (7, 11),
    "dateTime": ("2026-11-24T10:00:00Z", "2027-01-01T00:00:00Z"),
    "reference": ("https://example.com/a", "https://example.com/b"),
    "binary": ("YWJj", "ZGVm"),
}
"""Two values of each simple type."""

WRONG: dict[str, tuple[Any, ...]] = {
    "string": (5, True, {"a": 1}),
    "boolean": ("perhaps", 2),
    "decimal": ("many", True),
    "integer": (1.5, "many", True),
    "dateTime": ("yesterday", 5),
    "reference": (5, False),
    "binary": (5, False),
    "complex": ("a text", 5),
}
"""Values that are not of the type."""


def of_type(kind: str, number: int) -> Any:
    """The first or second value of a type."""
    if kind == "complex":
        return {f"inner{name[0].upper()}{name[1:]}": VALUES[name][number] for name in SIMPLE}
    return VALUES[kind][number]


def value_of(declared: Json, number: int = 0) -> Any:
    """A value of the attribute; of one with several, a list."""
    value = of_type(declared["type"], number)
    if declared["name"].startswith("unique"):
        value = f"{value}{number}"
    return [value] if declared["multiValued"] else value


def _attributes(*, core: bool) -> Iterator[Json]:
    for kind in TYPES:
        title = f"{kind[0].upper()}{kind[1:]}"
        more: Json = {"subAttributes": list(_parts())} if kind == "complex" else {}
        if kind == "reference":
            more["referenceTypes"] = ["external"]
        yield attribute(kind, kind, **more)
        yield attribute(f"{kind}s", kind, **more | {"multiValued": True})
        for mutability in ("readOnly", "immutable", "writeOnly"):
            hidden = {"returned": "never"} if mutability == "writeOnly" else {}
            yield attribute(f"{mutability}{title}", kind, mutability=mutability, **more, **hidden)
        for returned in ("always", "request", "never"):
            yield attribute(f"{returned}{title}", kind, returned=returned, **more)
        yield attribute(f"required{title}", kind, required=True, **more)
        yield attribute(f"required{title}s", kind, **more | {"required": True, "multiValued": True})
        if kind in UNIQUE_TYPES and core:
            for uniqueness in ("server", "global"):
                yield attribute(f"unique{title}{uniqueness.title()}", kind, uniqueness=uniqueness, **more)
    yield attribute("readOnlyRequest", mutability="readOnly", returned="request")
    yield attribute("exact", caseExact=True)
    yield attribute("exacts", caseExact=True, multiValued=True)
    yield attribute("inexact", caseExact=False)
    yield attribute("canonical", canonicalValues=["Red", "Green"])
    yield attribute("canonicals", canonicalValues=["Red", "Green"], multiValued=True)
    if core:
        yield attribute("uniqueExact", uniqueness="server", caseExact=True)


def _parts() -> Iterator[Json]:
    for name in SIMPLE:
        yield attribute(f"inner{name[0].upper()}{name[1:]}", name)
    yield attribute("innerAlways", returned="always")
    yield attribute("innerRequest", returned="request")
    yield attribute("innerNever", returned="never")
    yield attribute("innerReadOnly", mutability="readOnly")
    yield attribute("innerWriteOnly", mutability="writeOnly", returned="never")


CORE_ATTRIBUTES = tuple(_attributes(core=True))
EXTENSION_ATTRIBUTES = tuple(_attributes(core=False))


def is_for_suites(declared: Json, *, core: bool) -> bool:
    """Whether scim2-tester gets it: each type and each characteristic once, and what it can judge.

    It expects to see what it wrote, unless that is writeOnly. To an extension that it has added as a whole it adds each
    attribute once more, and expects the new values alone. Its PUT has another value of what is immutable. It compares
    the text of a binary with its bytes. So these two are only sub-attributes here.
    """
    if declared["type"] == "binary" or declared["mutability"] == "immutable":
        return False
    if not core:
        return declared["name"] in TYPES
    hidden = declared["returned"] in ("never", "request") and declared["mutability"] == "readWrite"
    plain = declared["name"] in TYPES or declared["name"].removesuffix("s") in TYPES
    return plain or (declared["type"] == "string" and not hidden)


def _shown(declared: Json) -> Json:
    """The attribute without the sub-attributes that are not shown. What is always returned always has a value there."""
    declared = declared | {"required": declared["required"] or declared["returned"] == "always"}
    parts = [item for item in declared.get("subAttributes", ()) if item["returned"] in ("always", "default")]
    return declared | {"subAttributes": parts} if parts else declared


def files(directory: Path, *, for_suites: bool = False) -> Path:
    """The folder, with the files of this type in it; or with fewer attributes, for suites."""
    core, extension = (
        [_shown(item) if for_suites else item for item in some if not for_suites or is_for_suites(item, core=is_core)]
        for some, is_core in ((CORE_ATTRIBUTES, True), (EXTENSION_ATTRIBUTES, False))
    )
    unique = [item["name"] for item in core if item.get("uniqueness", "none") != "none"]
    return schema_files(
        directory,
        everything={"id": CORE, "name": "Everything", "attributes": core},
        everything_more={"id": EXTENSION, "name": "More", "attributes": extension},
        everything_type={
            "id": "Everything",
            "name": "Everything",
            "endpoint": "/Everything",
            "schema": CORE,
            "schemaExtensions": [{"schema": EXTENSION, "required": not for_suites}],
            "indexed": unique,
        },
    )


def least() -> Json:
    """A body with what is required, and no more."""
    return {
        "schemas": [CORE, EXTENSION],
        **{item["name"]: value_of(item) for item in CORE_ATTRIBUTES if item["required"]},
        EXTENSION: {item["name"]: value_of(item) for item in EXTENSION_ATTRIBUTES if item["required"]},
    }
