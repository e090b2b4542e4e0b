"""A receiver of security event tokens (RFC 8935), as careful as docs/hooks.md asks. It verifies each with PyJWT."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt

from scim_core.feed.hooks.sending import Sender, Tried
from scim_core.storage.hook_port import HookFormat
from tests.hooks.receiver import HOOK, TAKEN, Answers
from tests.hooks.set_rules import PREFIX, violations

SET_HOOK = replace(HOOK, format=HookFormat.SET)
ISSUER = "https://scim.example.com"
AUDIENCE = f"{ISSUER}/feed/v1/hooks/{HOOK.id}"

type Json = dict[str, Any]


@dataclass
class SetReceiver(Sender):
    """Takes tokens. `processed` are the numbers of entries in the order in which it has acted on them.

    `keys` is the JWKS as it was fetched; `answers` says of each attempt what the sender sees. Whether the receiver has
    processed it, `processes` says. A token whose transaction it knows it takes again, and does nothing.
    """

    keys: Json
    answers: Answers = lambda _: TAKEN
    processes: Callable[[int], bool] | None = None
    tokens: list[Json] = field(default_factory=list)
    key_ids: list[str] = field(default_factory=list)
    processed: list[int] = field(default_factory=list)
    resyncs: list[int] = field(default_factory=list)

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Tried:
        """See Sender.send."""
        assert url == HOOK.url
        number = len(self.tokens)
        claims = self.verified(headers, body)
        answer = self.answers(number)
        if self.processes(number) if self.processes else isinstance(answer, Tried) and answer.taken:
            self._process(claims)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def verified(self, headers: Mapping[str, str], body: bytes) -> Json:
        """The claims of a token that came like this. Every rule of the RFCs holds."""
        assert {name: headers[name] for name in ("Content-Type", "Accept")} == {
            "Content-Type": "application/secevent+jwt",
            "Accept": "application/json",
        }
        assert not [name for name in headers if name.lower().startswith("webhook-")]
        key_id = jwt.get_unverified_header(body)["kid"]
        [key] = [jwt.PyJWK(key) for key in self.keys["keys"] if key["kid"] == key_id]
        whole = jwt.decode_complete(
            body, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER, options={"verify_iat": False}
        )
        claims: Json = whole["payload"]
        assert violations(whole["header"], claims) == [], json.dumps(claims, indent=1)
        self.tokens.append(claims)
        self.key_ids.append(key_id)
        return claims

    def _process(self, claims: Json) -> None:
        _, _, numbered = claims["txn"].split(":", 2)
        number, _, rest = numbered.partition(":")
        if rest == "resync":
            self.resyncs.append(int(number))
        elif int(number) not in self.processed:
            self.processed.append(int(number))

    @property
    def events(self) -> list[Json]:
        """The events of each token, without the prefix of their names."""
        return [{uri.removeprefix(PREFIX): told for uri, told in one["events"].items()} for one in self.tokens]

    @property
    def ids(self) -> list[str]:
        """The jti of each token."""
        return [claims["jti"] for claims in self.tokens]
