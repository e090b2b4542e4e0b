"""A message of a batch as it is sent: with the headers, or the signature, of its hook's format."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from scim_core.clock import instant_text
from scim_core.feed.hooks import cloud_events, doorbells, security_events, signatures
from scim_core.feed.hooks.batches import Message
from scim_core.master_key import MasterKey
from scim_core.storage.hook_port import Hook, HookFormat

SET_HEADERS = {
    "Content-Type": "application/secevent+jwt",
    "Accept": "application/json",
    "User-Agent": "scim-security-events",
}
"""The headers of a security event token (RFC 8935 section 2.1)."""


@dataclass(frozen=True, slots=True)
class Packed:
    """The headers and the body of one attempt."""

    headers: Mapping[str, str]
    body: bytes


def packed(message: Message, hook: Hook, webhook_id: str, master: MasterKey, now: datetime) -> Packed:
    """The message of the batch of this id as it is sent now. A token was issued when the id was given. Its `jti` is the
    id and the number of its entry.
    """
    if isinstance(message.content, bytes):
        if hook.format is HookFormat.DOORBELL:
            return Packed({}, message.content)
        secrets = signatures.signing_secrets(master, hook, now)
        signed = signatures.headers(webhook_id, now, message.content, secrets)
        return Packed(cloud_events.HEADERS | signed, message.content)
    from scim_core.feed.hooks import tokens  # noqa: PLC0415 -- PyJWT is imported only where a hook needs it

    issued = {"jti": webhook_id + message.suffix, "iat": security_events.issued_at(webhook_id)}
    return Packed(SET_HEADERS, tokens.signed(master, hook, issued | message.content))


def about_nothing(hook: Hook, test_id: str, now: datetime) -> Message:
    """The request by which an operator tries a hook."""
    match hook.format:
        case HookFormat.SET:
            return Message(0, security_events.claims_of_test(hook))
        case HookFormat.DOORBELL:
            return Message(0, doorbells.body(hook.tenant, "", 0))
        case _:
            context = cloud_events.context_of(hook.tenant, "", hook.base_url)
            return Message(0, cloud_events.body_of([cloud_events.of_test(context, test_id, instant_text(now))]))
