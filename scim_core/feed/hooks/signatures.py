"""The headers of Standard Webhooks (https://www.standardwebhooks.com), and the secrets that sign.

No secret is stored: each is derived from the deployment's master secret, the hook's id, and a number that grows with
each rotation.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from scim_core.clock import instant_text
from scim_core.master_key import MasterKey
from scim_core.storage.hook_port import Hook

_PREFIX = "whsec_"


def secret(master: MasterKey, hook_id: str, number: int) -> bytes:
    """The secret of this number, of this hook."""
    return master.derived(f"scim hook {hook_id} secret {number} v1")


def shown(key: bytes) -> str:
    """The secret as the text that a receiver is given."""
    return _PREFIX + base64.b64encode(key).decode()


def signing_secrets(master: MasterKey, hook: Hook, now: datetime) -> list[bytes]:
    """The secrets that sign now: the newest, and the one before it while that is still good."""
    numbers = [hook.secret, *([hook.secret - 1] if instant_text(now) < hook.former_until else [])]
    return [secret(master, hook.id, number) for number in numbers]


def headers(webhook_id: str, now: datetime, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers of a body that is sent now, with one signature for each secret."""
    timestamp = str(int(now.timestamp()))
    signed = b"%b.%b.%b" % (webhook_id.encode(), timestamp.encode(), body)
    signatures = (base64.b64encode(hmac.digest(key, signed, sha256)).decode() for key in secrets)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{text}" for text in signatures),
    }
