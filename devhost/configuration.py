"""host.json and local.settings.json, read as the Functions host and its Core Tools read them."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devhost.errors import DevhostError


@dataclass(frozen=True, slots=True)
class HostConfiguration:
    """What of host.json matters here: what stands before every route, and the headers on every response."""

    route_prefix: str
    custom_headers: dict[str, str]


def read_host_json(directory: Path) -> HostConfiguration:
    """The configuration of the app in this directory; the host's defaults where it says nothing."""
    http = _read(directory / "host.json").get("extensions", {}).get("http", {})
    return HostConfiguration(http.get("routePrefix", "api").strip("/"), http.get("customHeaders", {}))


def apply_local_settings(directory: Path, environment: MutableMapping[str, str]) -> None:
    """The values of local.settings.json are in the environment; a variable that was there already stays."""
    settings = _read(directory / "local.settings.json")
    if settings.get("IsEncrypted"):
        raise DevhostError("local.settings.json is encrypted: decrypt it with `func settings decrypt`, then try again.")
    for name, value in settings.get("Values", {}).items():
        environment.setdefault(name, str(value))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DevhostError(f"{path.name} is not valid JSON ({error}): correct it, then try again.") from None
    if not isinstance(content, dict):
        raise DevhostError(f"{path.name} does not hold a JSON object: correct it, then try again.")
    return content
