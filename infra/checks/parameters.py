"""azd's file of parameters, compared with the compiled template."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Template = dict[str, Any]


def given(path: Path, template: Template) -> Iterator[str]:
    """The file gives parameters that there are, all that have no default, and no secret that is written down.

    A text ${NAME=value} is from azd's environment. azd always passes a value: it must be the default of the template.
    """
    try:
        found = {
            name: item["value"] for name, item in json.loads(path.read_text(encoding="utf-8"))["parameters"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield f"is no file of parameters ({type(error).__name__}: {error})"
        return
    wanted = template["parameters"]
    yield from (f"the template has no parameter {name}" for name in sorted(found.keys() - wanted.keys()))
    for name, item in wanted.items():
        if name not in found and "defaultValue" not in item:
            yield f"the template needs the parameter {name}"
        if item["type"] == "securestring":
            if name in found and not re.fullmatch(r"\$\{\w+=?\}", str(found[name])):
                yield f"the secret {name} is written down"
            continue
        passed = re.fullmatch(r"\$\{\w+=?(.*)\}", str(found.get(name)))
        if passed and passed[1] != (default := _written(item.get("defaultValue", ""))):
            yield f"azd passes {passed[1]!r} as {name} where nobody sets it, and the template has {default!r}"


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def described(template: Template) -> Iterator[str]:
    """Every parameter says what it is for."""
    for name, item in template["parameters"].items():
        if not item.get("metadata", {}).get("description"):
            yield f"the parameter {name} has no description"
