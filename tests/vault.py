"""A key vault of this process, with keys that tests rotate. It answers as Azure's does, and counts."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from scim_core.access.oauth.vault import VaultError

VAULT = "https://kv-scim.vault.azure.net"
KEY = f"{VAULT}/keys/scim-signing-key"


@dataclass
class Version:
    """A version of the key."""

    name: str
    created: float
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    enabled: bool = True
    dates: dict[str, float] = field(default_factory=dict)

    def public(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": encoded(numbers.x.to_bytes(32)),
            "y": encoded(numbers.y.to_bytes(32)),
        }

    def sign(self, digest: bytes) -> bytes:
        prehashed = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        r, s = utils.decode_dss_signature(self.private.sign(digest, prehashed))
        return r.to_bytes(32) + s.to_bytes(32)


@dataclass
class StandIn:
    """Called as scim_core.access.oauth.vault.Vault is. `asked` has method, path and what was sent."""

    now: Callable[[], float]
    url: str = KEY
    page: int = 25
    versions: list[Version] = field(default_factory=list)
    asked: list[tuple[str, str, Mapping[str, str] | None]] = field(default_factory=list)
    broken: Callable[[str, Any], Any] = lambda _, answer: answer
    """Changes an answer, or raises: it gets what the call is for (list, key or sign) and the right answer."""

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> Version:
        """A new version. The ones before stay."""
        made = Version(f"{len(self.versions) + 1:032x}", self.now())
        self.versions.append(made)
        return made

    def count(self, method: str) -> int:
        return [called for called, _, _ in self.asked].count(method)

    async def __call__(self, method: str, url: str, sent: Mapping[str, str] | None = None) -> Any:
        assert url.startswith(f"{self.url}/"), "the identity's token goes to the vault only"
        parts = urlsplit(url)
        self.asked.append((method, parts.path, sent))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert query.pop("api-version") == "7.4"
        what, answer = self.answer(method, parts.path.removeprefix(urlsplit(self.url).path), query, sent)
        return json.loads(json.dumps(self.broken(what, answer)))

    def answer(self, method: str, path: str, query: dict[str, str], sent: Mapping[str, str] | None) -> tuple[str, Any]:
        match method, path.strip("/").split("/"):
            case "GET", ["versions"]:
                return "list", self._list(int(query.get("$skiptoken", "0")))
            case "GET", [name]:
                version = self._version(name)
                return "key", {"key": {"kid": f"{self.url}/{name}", "key_ops": ["sign"], **version.public()}}
            case "POST", [name, "sign"]:
                version = self._version(name)
                assert sent is not None
                assert sent["alg"] == "ES256"
                return "sign", {"kid": f"{self.url}/{name}", "value": encoded(version.sign(decoded(sent["value"])))}
        raise AssertionError((method, path))

    def _list(self, start: int) -> dict[str, Any]:
        """A page. As in Azure, the order is not that of time."""
        shown = sorted(self.versions, key=lambda version: version.name[::-1])
        entries = [
            {
                "kid": f"{self.url}/{version.name}",
                "attributes": {"enabled": version.enabled, "created": version.created, **version.dates},
            }
            for version in shown[start : start + self.page]
        ]
        more = start + self.page < len(shown)
        port = f"{urlsplit(self.url).hostname}:443"
        link = f"https://{port}{urlsplit(self.url).path}/versions?api-version=7.4&$skiptoken={start + self.page}"
        return {"value": entries, "nextLink": link if more else None}

    def _version(self, name: str) -> Version:
        return next(version for version in self.versions if version.name == name)


def silent(what: str) -> Callable[[str, Any], Any]:
    """For StandIn.broken: calls of this kind fail (list, key, sign, or all)."""

    def broken(called: str, answer: Any) -> Any:
        if what in (called, "all"):
            raise VaultError("the key vault answered 500")
        return answer

    return broken


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
