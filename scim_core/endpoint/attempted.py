"""Which answers get into the provisioning log although nothing, or not all, was changed."""

import json
from datetime import datetime

from scim_core.endpoint.routes import Target
from scim_core.ids import is_id
from scim_core.messages import Origin, Result, ScimResponse
from scim_core.service.attempt_notes import refusal_note, with_asked
from scim_core.storage.feed_port import Attempt, AttemptOutcome

_SENT_AGAIN = frozenset({429, 500, 503})
"""The answers after which a client is to send its request again: it was beyond a limit, or met a failure of ours."""


def attempt_of(target: Target, origin: Origin, response: ScimResponse, body: object, now: datetime) -> Attempt | None:
    """What the log keeps of the answer to a change, whose body was this JSON. None if all was done.

    A request that is to be sent again is told apart: it is no mistake of the client.
    """
    resource_type, effect = target.resource_type, response.effect
    if resource_type is None:
        return None
    if effect is not None:
        outcome = AttemptOutcome.UNCHANGED if effect.result is Result.UNCHANGED else AttemptOutcome.IN_PART
        if not effect.note:
            return None
        return Attempt(now, outcome, resource_type.name, effect.resource_id, with_asked(effect.note, body))
    if response.status < 400:  # noqa: PLR2004 -- a change without an effect, such as one that answers 204 again
        return None
    outcome = AttemptOutcome.PUT_OFF if response.status in _SENT_AGAIN else AttemptOutcome.REFUSED
    named = target.id if is_id(target.id) else ""
    text = refusal_note(resource_type, origin, response.status, json.loads(response.body), body)
    return Attempt(now, outcome, resource_type.name, named, text)
