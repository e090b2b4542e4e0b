"""What a restore of the registry does with credentials that were revoked after the export: they do not open again.

A registry that goes on from the one in the file knows of them: by its audit chain, and by its rows where they are left.
It is the one that is restored into, which keeps its chain, or one in another table.
"""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from scim_core.audit_records import HASH, NumberedRecord
from scim_core.model import Column
from scim_core.registry import TenantState
from scim_core.storage.maintenance.archive import Header, Line
from scim_core.storage.port import StorageError
from scim_core.storage.tables import audit_chain, keys
from scim_core.storage.tables.keys import REGISTRY, KeyRange
from scim_core.storage.tables.registry_rows import to_credential
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
    """What a registry knows: by the keys of rows, since when a credential is revoked or gone and when it expires; since
    when a tenant is suspended or gone. `there` are the keys of its tenants.
    """

    revoked: dict[str, str] = field(default_factory=dict)
    expires: dict[str, str] = field(default_factory=dict)
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
        after = json.loads(record.text("after") or "{}")
        if record.text("credential"):
            key = keys.credential(record.text("tenant"), record.text("credential"))
            if "revoked" in after or not after:
                self.revoked.setdefault(key, str(after.get("revoked", time)))
            if "expires" in after:
                self.expires[key] = str(after["expires"])
        elif record.text("before") and not after:
            self.deleted[tenant] = time
        elif "state" in after:
            self._note_state(tenant, str(after["state"]), str(after.get("since", time)))

    def _note_row(self, row: Row) -> None:
        key, found = str(row.properties["RowKey"]), row.properties
        if "kind" not in found:
            self.there.add(key)
            self._note_state(key, str(found["state"]), str(found["since"]))
            return
        credential = to_credential(row)
        self.credentials.add(key)
        self.expires[key] = credential.expires
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
    """What the lines of a registry become. `ended` is what each row that is no longer good gets, by its key."""

    choice: Revoked = Revoked.AS_IN_FILE
    ended: dict[str, dict[str, Column]] = field(default_factory=dict)
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
            row = await rows.get(REGISTRY, key)
            if row is None or row.properties.get("revoked"):
                continue
            if not self.ended[key].items() <= row.properties.items():
                merge = RowOperation(Verb.MERGE, Role.OTHER, key, self.ended[key], row.etag)
                await rows.transact(REGISTRY, [merge])

    def _leave_out(self, file: FileRegistry) -> None:
        """Revoked credentials, and the pointers that no other credential has."""
        self._left_out = {key for key, ending in self.ended.items() if "revoked" in ending}
        pointers: dict[bool, set[str]] = {True: set(), False: set()}
        for key, properties in file.rows.items():
            if "kind" in properties:
                credential = to_credential(Row(dict(properties), ""))
                pointers[key in self._left_out].add(keys.pointer(credential.pointer))
        self._left_out |= pointers[True] - pointers[False]


async def revocations(file: FileRegistry, target: Rows, other: Rows | None, choice: Revoked) -> Revocations:
    """What is to be done with a file, by what the target's audit chain or the other registry knows.

    Raises NotKnown if neither goes on from the registry in the file, unless the choice is to restore it as it is.
    """
    if other is not None and await _goes_on(file, other):
        return Revocations.of(file, await Knowledge.of(other, file, with_tenants=True), choice)
    if other is None and file.last is not None and await _goes_on(file, target):
        return Revocations.of(file, await Knowledge.of(target, file, with_tenants=False), choice)
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
    return ending | ({"expires": after} if after and (not before or after < before) else {})


def _told(key: str, properties: dict[str, Column], ending: dict[str, Column], choice: Revoked) -> str:
    name = key.partition(":")[2].strip(":").replace(":", " ")
    becomes = {
        Revoked.STAY: "It stays so.",
        Revoked.LEAVE_OUT: "It is left out." if "revoked" in ending else "It stays so.",
        Revoked.AS_IN_FILE: "WARNING It is as in the file again.",
    }[choice]
    if "state" in ending:
        return f"Tenant {name} was suspended on {str(ending['since'])[:10]}, after the export. {becomes}"
    what = f"Credential {name} ({properties.get('label', '')})"
    if "revoked" in ending:
        return f"{what} was revoked or removed on {str(ending['revoked'])[:10]}, after the export. {becomes}"
    return f"{what} expires on {str(ending['expires'])[:10]}, as was decided after the export. {becomes}"
