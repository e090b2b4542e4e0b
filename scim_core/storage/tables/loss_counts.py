"""How many active users were deactivated or deleted within the last hour, in the row of the feed's head.

The relay counts them in the transaction that moves their changes. So each is counted once, whatever dies, and how many
processes there are.

losses                   JSON: [begin of a part of the window, credential, count], ...
held, freeUntil          since when further ones are held; until when they are not
safe, safeUntil          so many are no mass change, until then
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from scim_core.clock import instant_text
from scim_core.model import Column
from scim_core.storage.feed_port import LOSS_PART, LOSS_WINDOW, LossCount, Losses
from scim_core.storage.tables.outbox import OutboxRow

MAX_CREDENTIALS = 10
"""Credentials that are counted one by one in a part. In 14 parts, with MAX_NAME each, they fit one property."""

MAX_NAME = 80
"""Characters of a credential's label and id. Of a longer text the label is cut: the console looks for the id."""

OTHERS = "other credentials"
"""Stands for those beyond MAX_CREDENTIALS."""

SELECTED = "losses,held,freeUntil,safe,safeUntil"
"""The properties of the head that are read for this."""


def to_losses(entity: Mapping[str, Any], etag: str) -> Losses:
    """The losses that the row of a head tells."""
    return Losses(
        counts=tuple(LossCount(*item) for item in json.loads(entity.get("losses") or "[]")),
        held=entity.get("held") or "",
        free_until=entity.get("freeUntil") or "",
        safe=int(entity.get("safe") or 0),
        safe_until=entity.get("safeUntil") or "",
        etag=etag,
    )


def counted(losses: Losses, batch: Iterable[OutboxRow]) -> Losses:
    """The losses with those of these changes. What is older than the window is left out."""
    lost = [(said.time, _named(said.note.lost_by)) for said in batch if said.note.lost_by]
    if not lost:
        return losses
    counts = {(item.part, item.credential): item.count for item in losses.counts}
    for time, credential in lost:
        part = _part(time)
        known = [name for begin, name in counts if begin == part]
        key = (part, credential if credential in known or len(known) < MAX_CREDENTIALS else OTHERS)
        counts[key] = counts.get(key, 0) + 1
    newest = datetime.fromisoformat(max(part for part, _ in counts))
    first = instant_text(newest - LOSS_WINDOW - LOSS_PART)
    kept = (LossCount(part, name, count) for (part, name), count in sorted(counts.items()) if part >= first)
    return replace(losses, counts=tuple(kept))


def count_property(losses: Losses) -> dict[str, Column]:
    """The property of the head that has the counts."""
    return {"losses": _encode([[item.part, item.credential, item.count] for item in losses.counts])}


def judgement(losses: Losses) -> dict[str, Column]:
    """The properties of the head that say what was made of the counts."""
    return {
        "held": losses.held,
        "freeUntil": losses.free_until,
        "safe": str(losses.safe),
        "safeUntil": losses.safe_until,
    }


def _named(credential: str) -> str:
    """The label and the id of a credential, as its losses are counted. The id is whole."""
    label, _, id_ = credential.rpartition(" ")
    room = MAX_NAME - len(id_) - 1
    return f"{label[:room]} {id_}" if label and room > 0 else credential[:MAX_NAME]


def _part(time: str) -> str:
    """When the part began in which this instant (UTC text) is."""
    instant = datetime.fromisoformat(time)
    minute = instant.minute - instant.minute % (LOSS_PART.seconds // 60)
    return instant_text(instant.replace(minute=minute, second=0, microsecond=0))


def _encode(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
