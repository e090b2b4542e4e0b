"""What a restore of the registry does with what was revoked or narrowed after the export: it does not open again.

A registry that goes on from the one in the file knows of them: by its audit chain, and by its rows where they are left.
It is the one that is restored into, which keeps its chain, or one in another table.
"""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from scim_core.audit_records import HASH, NumberedRecord
from scim_core.model import Column
from scim_core.registry import DEFAULT_TENANT, Access, Tenant, TenantState, pointers
from scim_core.storage.maintenance.archive import Header, Line
from scim_core.storage.port import StorageBusy, StorageError
from scim_core.storage.tables import audit_chain, keys
from scim_core.storage.tables.errors import RowChanged, RowMissing
from scim_core.storage.tables.keys import REGISTRY, KeyRange
from scim_core.storage.tables.registry_rows import access_of, alteration, to_credential
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from scim_core.storage.tables.rows import Row, Rows, read_pages


class Revoked(StrEnum):
    """What becomes of credentials that were revoked since the export."""

    STAY = "stay"
    """They are restored as revoked ones."""
    LEAVE_OUT = "leave-out"
    """They are not restored."""
    AS_IN_FILE = "as-in-file"
    """They open again, if they did at the time of the export."""


_LIMITS = frozenset({"access", "networks"})

_MAY = {
    Access.READ: "may only read",
    Access.WRITE: "may read and write, and not read the feed",
    Access.FEED: "may only read the feed",
}


MAX_ATTEMPTS = 5
"""How often a row is ended again because a request has noted its use in between."""


class NotKnown(StorageError):
    """Nobody knows which credentials were revoked since the export."""


@dataclass(slots=True)
class FileRegistry:
    """The registry in a file: tenants and credentials by the keys of their rows, the last audit record, the start."""

    rows: dict[str, dict[str, Column]] = field(default_factory=dict)
    last: tuple[str, str] | None = None
    started: str = ""

    @classmethod
    def of(cls, content: Iterable[Header | Line]) -> "FileRegistry":
        """The registry of these lines. The last line of a key counts."""
        found = cls()
        for item in content:
            if isinstance(item, Header):
                found.started = item.started
            elif keys.is_audit_record(item.key):
                found.last = max(found.last or ("", ""), (item.key, str(item.properties.get(HASH))))
            elif keys.kind_of(item.key) == "tenant":
                found.rows[item.key] = item.properties
        return found


@dataclass(slots=True)
class Knowledge:
    """What a registry knows: by the keys of rows, since when a credential is revoked or gone, when it expires, and its
    `limits` (access and networks); since when a tenant is suspended or gone. `there` are the keys of its tenants.
    """

    revoked: dict[str, str] = field(default_factory=dict)
    expires: dict[str, str] = field(default_factory=dict)
    limits: dict[str, dict[str, str]] = field(default_factory=dict)
    suspended: dict[str, str] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    credentials: set[str] = field(default_factory=set)

    @classmethod
    async def of(cls, rows: Rows, file: FileRegistry, *, with_tenants: bool) -> "Knowledge":
        """What the registry in these rows knows that came after the last record in the file.

        Without `with_tenants` only its audit chain counts: the tenants are those that an import has begun to write.
        """
        found = cls()
        async for record in audit_chain.records(rows):
            if file.last is None or keys.audit_record(record.number) > file.last[0]:
                found._note_record(record)
        if with_tenants:
            async for row in _tenants_and_credentials(rows):
                found._note_row(row)
        return found

    def _note_record(self, record: NumberedRecord) -> None:
        tenant, time = keys.tenant(record.text("tenant")), record.text("time")
        after, changed = _values(record), set(record.text("changed").split())
        is_gone = "id" in changed and not after  # nothing else ends an id
        if record.text("credential"):
            key = keys.credential(record.text("tenant"), record.text("credential"))
            if is_gone or "revoked" in after:
                self.revoked.setdefault(key, after.get("revoked", time))
            if "expires" in after:
                self.expires[key] = after["expires"]
            self.limits.setdefault(key, {}).update({name: after.get(name, "") for name in changed & _LIMITS})
            return
        if is_gone or after.get("deleted"):
            self.deleted[tenant] = time
        if "state" in after:
            self._note_state(tenant, after["state"], after.get("since", time))

    def _note_row(self, row: Row) -> None:
        key, found = str(row.properties["RowKey"]), row.properties
        if "kind" not in found:
            self.there.add(key)
            if found.get("deleted"):
                self.deleted[key] = str(found["deleted"])
            self._note_state(key, str(found["state"]), str(found["since"]))
            return
        credential = to_credential(row)
        self.credentials.add(key)
        self.expires[key] = credential.expires
        self.limits[key] = {"access": str(credential.access), "networks": credential.networks}
        if credential.revoked:
            self.revoked[key] = credential.revoked

    def _note_state(self, tenant: str, state: str, since: str) -> None:
        if state == TenantState.ACTIVE:
            self.suspended.pop(tenant, None)
        else:
            self.suspended[tenant] = since


async def _tenants_and_credentials(rows: Rows) -> AsyncIterator[Row]:
    async for page in read_pages(rows, REGISTRY, KeyRange("tenant:", "tenant;")):
        for row in page:
            yield row


@dataclass(slots=True)
class Revocations:
    """What the lines of a registry become. `ended` is what each row that is no longer good gets, by its key.

    `added` are rows that the file lacks.
    """

    choice: Revoked = Revoked.AS_IN_FILE
    ended: dict[str, dict[str, Column]] = field(default_factory=dict)
    added: dict[str, dict[str, Column]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    _left_out: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, file: FileRegistry, known: Knowledge, choice: Revoked) -> "Revocations":
        """What is to be done with this file. A credential whose row is gone has ended when the export started."""
        found = cls(choice)
        for key, properties in file.rows.items():
            ending = _ending(key, properties, known, file.started)
            if ending:
                found.ended[key] = ending
                found.told.append(_told(key, properties, ending, choice))
        found._close(file, known)
        if choice is Revoked.LEAVE_OUT:
            found._leave_out(file)
        return found

    def has(self, line: Line) -> bool:
        """Whether the line is restored."""
        return line.key not in self._left_out

    def properties(self, line: Line) -> dict[str, Column]:
        """The row of a line."""
        if self.choice is Revoked.AS_IN_FILE:
            return line.properties
        return line.properties | self.ended.get(line.key, {})

    async def enforce(self, rows: Rows) -> None:
        """What an interrupted import has written before it was known to be ended is ended now."""
        if self.choice is Revoked.AS_IN_FILE:
            return
        for key in sorted(self._left_out):
            if await rows.get(REGISTRY, key, select="RowKey"):
                await rows.transact(REGISTRY, [RowOperation(Verb.DELETE, Role.OTHER, key)])
        for key in sorted(self.ended.keys() - self._left_out):
            await _end(rows, key, self.ended[key])

    def _close(self, file: FileRegistry, known: Knowledge) -> None:
        """The tenant that the settings open without a row gets one, if it was closed after the export."""
        key = keys.tenant(DEFAULT_TENANT)
        since = known.suspended.get(key, "")
        if not since or key in file.rows:
            return
        deleted = known.deleted.get(key, "")
        state, deleted = (TenantState.DELETING, deleted) if deleted >= since else (TenantState.SUSPENDED, "")
        self.told.append(_told(key, {}, {"state": str(state), "since": since}, self.choice))
        if self.choice is not Revoked.AS_IN_FILE:
            closed = Tenant(DEFAULT_TENANT, DEFAULT_TENANT, since, state, since, deleted=deleted)
            self.added[key] = dict(alteration(None, closed)[0].properties)

    def _leave_out(self, file: FileRegistry) -> None:
        """Revoked credentials, and the pointers that no other credential has."""
        self._left_out = {key for key, ending in self.ended.items() if "revoked" in ending}
        found: dict[bool, set[str]] = {True: set(), False: set()}
        for key, properties in file.rows.items():
            if "kind" in properties:
                credential = to_credential(Row(dict(properties), ""))
                found[key in self._left_out].update(map(keys.pointer, pointers([credential])))
        self._left_out |= found[True] - found[False]


async def _end(rows: Rows, key: str, ending: dict[str, Column]) -> None:
    """The row has this ending, unless it is gone or revoked, or has it already. Raises StorageBusy."""
    for _ in range(MAX_ATTEMPTS):
        row = await rows.get(REGISTRY, key)
        if row is None or row.properties.get("revoked") or ending.items() <= row.properties.items():
            return
        with suppress(RowChanged, RowMissing):
            await rows.transact(REGISTRY, [RowOperation(Verb.MERGE, Role.OTHER, key, ending, row.etag)])
            return
    raise StorageBusy("Others are changing the same credential.")


async def revocations(file: FileRegistry, target: Rows, other: Rows | None, choice: Revoked) -> Revocations:
    """What is to be done with a file, by what the target's audit chain or the other registry knows.

    Raises NotKnown if neither goes on from the registry in the file, unless the choice is to restore it as it is.
    """
    try:
        if other is not None and await _goes_on(file, other):
            return Revocations.of(file, await Knowledge.of(other, file, with_tenants=True), choice)
        if other is None and file.last is not None and await _goes_on(file, target):
            return Revocations.of(file, await Knowledge.of(target, file, with_tenants=False), choice)
    except NotKnown:
        if choice is not Revoked.AS_IN_FILE:
            raise
    if choice is Revoked.AS_IN_FILE:
        return Revocations()
    raise NotKnown(
        "It is not known which credentials were revoked since this export, and they would open again. Name a table "
        "whose registry goes on from it, with --registry-of TABLE. Or take all credentials as they are in the file, "
        "with --revoked as-in-file, and revoke again those that you had revoked."
    )


async def _goes_on(file: FileRegistry, rows: Rows) -> bool:
    """Whether the registry in these rows goes on from the one in the file, and so knows what happened since."""
    if file.last is None:
        return await anext(_tenants_and_credentials(rows), None) is not None
    key, own_hash = file.last
    row = await rows.get(REGISTRY, key, select=f"RowKey,{HASH}")
    return row is not None and row.properties.get(HASH) == own_hash


def _ending(key: str, properties: dict[str, Column], known: Knowledge, started: str) -> dict[str, Column]:
    """What the row gets because of what is known."""
    if "kind" not in properties:
        since = known.suspended.get(key)
        was_active = properties.get("state") == TenantState.ACTIVE
        return {"state": str(TenantState.SUSPENDED), "since": since} if since and was_active else {}
    if properties.get("revoked"):
        return {}
    tenant = f"{key.rpartition(':')[0]}:"
    deleted = known.deleted.get(tenant, "")
    revoked = known.revoked.get(key) or (deleted if str(properties["created"]) < deleted else "")
    if not revoked and tenant in known.there and key not in known.credentials:
        revoked = started
    ending: dict[str, Column] = {"revoked": revoked} if revoked else {}
    before, after = str(properties.get("expires", "")), known.expires.get(key, "")
    if after and (not before or after < before):
        ending["expires"] = after
    return ending | _narrowed(properties, known.limits.get(key, {}))


def _narrowed(properties: dict[str, Column], limits: dict[str, str]) -> dict[str, Column]:
    """Access and networks of a credential, where the newest access does not allow what the file's does.

    The newest list of networks counts.
    """
    narrowed: dict[str, Column] = {}
    newest = limits.get("access", "")
    if newest and not access_of({"access": newest}).allows(access_of(properties)):
        narrowed["access"] = newest
    networks = limits.get("networks", "")
    return narrowed | ({"networks": networks} if networks not in ("", properties.get("networks", "")) else {})


def _values(record: NumberedRecord) -> dict[str, str]:
    """The values after the change. Raises NotKnown for a record that somebody has broken."""
    try:
        return {name: str(value) for name, value in json.loads(record.text("after") or "{}").items()}
    except (ValueError, AttributeError, RecursionError):
        raise NotKnown(
            f"Record {record.number} of the audit trail cannot be read, so it is not known what was revoked since this "
            "export. `admin audit --verify` says what is wrong with the trail."
        ) from None


def _told(key: str, properties: dict[str, Column], ending: dict[str, Column], choice: Revoked) -> str:
    """A sentence about it. Nothing in it steers the terminal: the file may be anybody's."""
    name = key.partition(":")[2].strip(":").replace(":", " ")
    becomes = {
        Revoked.STAY: "It stays so.",
        Revoked.LEAVE_OUT: "It is left out." if "revoked" in ending else "It stays so.",
        Revoked.AS_IN_FILE: "WARNING It is as in the file again.",
    }[choice]
    if "state" in ending:
        said = "suspended" if ending["state"] == TenantState.SUSPENDED else "deleted"
        return f"Tenant {name} was {said} on {str(ending['since'])[:10]}, after the export. {becomes}"
    label = str(properties.get("label", ""))
    what = f"Credential {name} ({label if label.isprintable() else label.encode('unicode_escape').decode()})"
    if "revoked" in ending:
        return f"{what} was revoked or removed on {str(ending['revoked'])[:10]}, after the export. {becomes}"
    decided = [f"expires on {str(ending['expires'])[:10]}"] if "expires" in ending else []
    decided += [_MAY[access_of(ending)]] if "access" in ending else []
    decided += [f"is for {str(ending['networks']).replace(' ', ', ')} only"] if "networks" in ending else []
    return f"{what} {' and '.join(decided)}, as was decided after the export. {becomes}"
