"""Reads host.json and local.settings.json as the Functions host and its Core Tools do."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devhost.errors import DevhostError


@dataclass(frozen=True, slots=True)
class HostConfiguration:
    """The part of host.json that matters here: the prefix of every route, and the headers of every response."""

    route_prefix: str
    custom_headers: dict[str, str]


def read_host_json(directory: Path) -> HostConfiguration:
    """The configuration of the app in this directory. The host's defaults fill what it leaves out."""
    http = _read(directory / "host.json").get("extensions", {}).get("http", {})
    return HostConfiguration(http.get("routePrefix", "api").strip("/"), http.get("customHeaders", {}))


def apply_local_settings(directory: Path, environment: MutableMapping[str, str]) -> None:
    """The values of local.settings.json are in the environment. A variable that was set before stays."""
    settings = _read(directory / "local.settings.json")
    if settings.get("IsEncrypted"):
        raise DevhostError("local.settings.json is encrypted. Decrypt it with `func settings decrypt`, then try again.")
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
