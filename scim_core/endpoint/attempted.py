"""Which answers get into the provisioning log although nothing, or not all, was changed."""

import json
from datetime import datetime

from scim_core.endpoint.routes import Target
from scim_core.ids import is_id
from scim_core.messages import Origin, Result, ScimResponse
from scim_core.service.attempt_notes import refusal_note
from scim_core.storage.feed_port import Attempt, AttemptOutcome

_REFUSALS = range(400, 500)
_TOO_MANY = 429


def attempt_of(target: Target, origin: Origin, response: ScimResponse, body: object, now: datetime) -> Attempt | None:
    """What the log keeps of the answer to a change, whose body was this JSON.

    None if all was done, or if it will be when it is sent again.
    A client that is beyond its limit sends again, and failures of ours are not its mistake. The line in the log of the
    service has both.
    """
    resource_type, effect = target.resource_type, response.effect
    if resource_type is None:
        return None
    if effect is not None:
        outcome = AttemptOutcome.UNCHANGED if effect.result is Result.UNCHANGED else AttemptOutcome.IN_PART
        return Attempt(now, outcome, resource_type.name, effect.resource_id, effect.note) if effect.note else None
    if response.status not in _REFUSALS or response.status == _TOO_MANY:
        return None
    named = target.id if is_id(target.id) else ""
    text = refusal_note(resource_type, origin, response.status, json.loads(response.body), body)
    return Attempt(now, AttemptOutcome.REFUSED, resource_type.name, named, text)
