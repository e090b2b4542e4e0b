"""Doorbells: messages of a queue that say how far a tenant's feed has come. Whoever gets one reads the feed.

A queue of Azure Storage keeps no order, and a message holds 64 KiB. So a message has no content that could be missed.
"""

import json
import re

SCHEME = "queue:"
"""How the target of a hook begins that rings in a queue: `queue:` and the queue's name."""

QUEUES_SETTING = "SCIM_QUEUE_ACCOUNT_URL"
"""The setting that names the account of the queues."""

_NAME = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
"""What Azure Storage takes as the name of a queue."""


def body(tenant: str, epoch: str, number: int) -> bytes:
    """The text of a message: JSON, in ASCII."""
    return json.dumps({"tenant": tenant, "epoch": epoch, "number": number}, separators=(",", ":")).encode()


def queue_of(target: str) -> str | None:
    """The name of the queue that a hook's target names. None: it names none, or none that there can be."""
    name = target.removeprefix(SCHEME)
    return name if name != target and _NAME.fullmatch(name) else None
