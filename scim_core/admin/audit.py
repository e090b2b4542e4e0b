"""`admin audit`: reads the audit trail of administrative changes, page after page, or checks its chain."""

import json
from argparse import Namespace
from dataclasses import fields
from typing import Any

from scim_core.access.credential_plans import Refused
from scim_core.admin.registry import warn_if_elsewhere
from scim_core.audit_records import HASH, AuditEntry, ChainCheck, NumberedRecord
from scim_core.clock import instant_in
from scim_core.registry import Registry
from scim_core.settings import StorageSettings
from scim_core.storage.tables import table_registry

WHOLE, BROKEN = 0, 1
"""Exit codes: the records were read, or the chain is whole; the chain is broken."""

_NOTHING = "-"


async def run(given: Namespace, settings: StorageSettings) -> int:
    """The exit code. The records are printed one a line, oldest first; with --verify, what is wrong with the chain.

    Raises Refused, StorageError.
    """
    if given.verify and (given.tenant or given.since):
        raise Refused("--verify checks all records. Leave out --tenant and --since.")
    since = instant(given.since) if given.since else ""
    registry = table_registry(settings)
    try:
        await warn_if_elsewhere(registry.rows)
        if given.verify:
            return await verify(registry, as_json=given.json)
        async for record in registry.audit_records():
            if record.text("time") >= since and given.tenant in ("", record.text("tenant")):
                print(json.dumps(as_object(record)) if given.json else as_line(record))
    finally:
        await registry.close()
    return WHOLE


async def verify(registry: Registry, *, as_json: bool) -> int:
    """The exit code. Each place where the chain breaks is printed, then where the chain ends."""
    check = ChainCheck(await registry.audit_end())
    findings: list[str] = []
    async for record in registry.audit_records():
        findings += check.follow(record)
    findings += check.end()
    last = check.last
    if as_json:
        print(json.dumps({"whole": not findings, "records": last.number, "hash": last.hash, "findings": findings}))
    else:
        for finding in findings:
            print(finding)
        print(f"The chain is {'broken' if findings else 'whole'}. It ends with record {last.number}, hash {last.hash}.")
    return BROKEN if findings else WHOLE


def as_object(record: NumberedRecord) -> dict[str, Any]:
    """The record as an object of JSON, with its number and its hashes. Empty values are left out."""
    found: dict[str, Any] = {"number": record.number}
    for name in (*(of.name for of in fields(AuditEntry)), "previous", HASH):
        text = record.text(name)
        if text:
            found[name] = _values(text) if name in ("before", "after") else text
    return found


def _values(text: str) -> Any:
    """The values of a record. A text that is no JSON stays as it is: somebody has changed it."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def as_line(record: NumberedRecord) -> str:
    """The record on one line: number, time, outcome, what happened to whom, the values, and who did it."""
    text = record.text
    credential = f"{text('credential')} {json.dumps(text('label'), ensure_ascii=False)}" if text("credential") else ""
    values = f"{text('before') or _NOTHING} -> {text('after') or _NOTHING}" if text("before") or text("after") else ""
    who = f"by {text('identity')} ({text('user')} on {text('host')}, {text('tool')})"
    parts = (f"{text('time')[:19]}Z", text("outcome"), text("event"), text("tenant"), credential, values, who)
    line = "  ".join((str(record.number), *filter(None, parts), text("correlation_id")))
    return line if line.isprintable() else line.encode("unicode_escape").decode()  # nothing steers the terminal


def instant(text: str, argument: str = "--since") -> str:
    """The instant as the records have it: UTC, unless the text says another offset. Raises Refused."""
    try:
        return instant_in(text)
    except ValueError:
        raise Refused(f"{argument} must be a day or an instant, such as 2026-11-26 or 2026-11-26T09:00:00Z.") from None
