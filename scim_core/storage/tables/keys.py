"""The row keys of the one table, as docs/storage.md lists them: one function for each kind of row and of range.

A row key holds at most 512 characters (1 KiB in UTF-16, which is also what Azurite enforces): a kind, a key and an id
with their separators stay below.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from scim_core.model import MEMBERLESS, RESERVED_NAMES, Index, IndexEntry
from scim_core.storage.tables.codec import ABOVE_ALL, BELOW_ALL, encode, fit, fit_prefix

KIND_LIMIT = 60
"""Characters of a kind such as User.userName; an extension's attribute of a longer name is cut with a digest."""

KEY_LIMIT = 400
"""Characters of an index key; longer keys are cut with a digest."""

ID_LIMIT = 48
"""Characters of an id. Ours have 36. Only a client can invent a longer one: it is cut, and finds nothing."""

TENANT_LIMIT = 400
"""Characters of a partition key, which may hold 512 as well."""

SWEEP = ":pending"
"""The partition of the sweep's entries: the large changes of all tenants that may be unfinished.

No tenant's code holds a colon.
"""

REGISTRY = ":registry"
"""The partition of the tenants' own rows and their credentials. No tenant's code holds a colon."""

_AFTER_COLON = ";"
FEED_KINDS = frozenset({"attempt", "change", "feed", "hook", "log", "was"})
"""Kinds of rows that changes and attempts leave behind, and those of who follows them. No export has them, and a tenant
with nothing else is empty."""

_WAITING = ":waiting:"
_MOVED = ":moved:"
_HOOK = ":hook:"
_DUE = ":due:"
_AUDIT = "audit:"
_AUDIT_RECORD = re.compile(r"audit:[0-9]{12}")


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The row keys from `low`, which is in the range, to `high`, which is not."""

    low: str
    high: str


def partition(tenant: str) -> str:
    """The partition that holds all rows of a tenant; or SWEEP or REGISTRY itself."""
    return tenant if tenant in (SWEEP, REGISTRY) else fit(encode(tenant), TENANT_LIMIT)


def resource(resource_type: str, resource_id: str) -> str:
    """The row of a resource."""
    return f"{_kind(resource_type)}:{_id(resource_id)}"


def resources(resource_type: str, after: str | None = None, up_to: str | None = None) -> KeyRange:
    """The rows of the resources of a type: all, or those after the id `after`, up to and including the id `up_to`."""
    low = f"{_kind(resource_type)}:" if after is None else resource(resource_type, after) + BELOW_ALL
    high = f"{_kind(resource_type)}{_AFTER_COLON}" if up_to is None else resource(resource_type, up_to) + BELOW_ALL
    return KeyRange(low, high)


def index(resource_type: str, entry: IndexEntry, resource_id: str) -> str:
    """The row by which an entry finds its resource. The key of a unique entry has no id, so a second insert fails."""
    return (
        unique_index(resource_type, entry)
        if entry.unique
        else f"{unique_index(resource_type, entry)}:{_id(resource_id)}"
    )


def unique_index(resource_type: str, entry: IndexEntry) -> str:
    """The row of a unique entry, whoever holds it."""
    return f"{_kind(resource_type, entry.attribute)}:{fit(encode(entry.key), KEY_LIMIT)}"


def index_kind(index: Index) -> str:
    """The kind of the rows of an index."""
    return _kind(index.resource_type, index.attribute)


def holders(resource_type: str, entry: IndexEntry, after: str | None = None) -> KeyRange:
    """The rows of all resources that hold a non-unique entry; those after the id `after`."""
    return _below(unique_index(resource_type, entry), after)


def holders_of_prefix(resource_type: str, entry: IndexEntry) -> KeyRange:
    """The rows of all resources whose key starts with the entry's; of more if this is longer than a cut key."""
    low = f"{_kind(resource_type, entry.attribute)}:{fit_prefix(encode(entry.key), KEY_LIMIT)}"
    return KeyRange(low, low + ABOVE_ALL)


def member(group_id: str, member_id: str) -> str:
    """The row of a membership among those of its group."""
    return f"member:{_id(group_id)}:{_id(member_id)}"


def members(group_id: str, after: str | None = None) -> KeyRange:
    """The rows of all memberships of a group; those after the member id `after`."""
    return _below(f"member:{_id(group_id)}", after)


def member_of(member_id: str, group_id: str) -> str:
    """The row of a membership among those of its member."""
    return f"memberOf:{_id(member_id)}:{_id(group_id)}"


def groups_of(first_member_id: str, last_member_id: str) -> KeyRange:
    """The rows of all memberships of the members from the first id to the last."""
    return KeyRange(f"memberOf:{_id(first_member_id)}:", f"memberOf:{_id(last_member_id)}{_AFTER_COLON}")


def memberships(resource_type: str, resource_id: str) -> list[KeyRange]:
    """The rows of all memberships that a resource takes part in: as a member, and as a group."""
    own = [] if resource_type in MEMBERLESS else [members(resource_id)]
    return [groups_of(resource_id, resource_id), *own]


def bookmark(key: str) -> str:
    """The row of a page position, or of where an import stands."""
    return f"bookmark:{fit(encode(key), KEY_LIMIT)}"


def indexes() -> str:
    """The row that says which indexes are complete for the tenant."""
    return "indexes:"


def tenant(tenant_id: str) -> str:
    """The row of a tenant, in the partition REGISTRY."""
    return f"tenant:{fit(encode(tenant_id), KEY_LIMIT)}:"


def credential(tenant_id: str, credential_id: str) -> str:
    """The row of a credential of a tenant, in the partition REGISTRY."""
    return f"{tenant(tenant_id)}{_id(credential_id)}"


def registered(tenant_id: str) -> KeyRange:
    """The row of a tenant and those of its credentials."""
    return _below(tenant(tenant_id).removesuffix(":"))


def pointer(text: str) -> str:
    """The row, in the partition REGISTRY, by which a credential's tenant is found."""
    return f"pointer:{fit(encode(text), KEY_LIMIT)}"


def audit_record(number: int) -> str:
    """The row of a record of the audit chain, in the partition REGISTRY. Later records have greater keys."""
    return f"{_AUDIT}{number:012}"


def is_audit_record(key: str) -> bool:
    """Whether this row of the partition REGISTRY is a record of the audit chain."""
    return _AUDIT_RECORD.fullmatch(key) is not None


def audit_number(key: str) -> int:
    """The number of a record of the audit chain."""
    return int(key.removeprefix(_AUDIT))


def audit_records(after: int = 0) -> KeyRange:
    """The rows of the audit chain after the one with this number."""
    return KeyRange(audit_record(after + 1), of_kind("audit").high)


def audit_end() -> str:
    """The row, in the partition REGISTRY, that notes where the audit chain ends. An export leaves it out."""
    return "audit.end:"


def registry_move() -> str:
    """The row, in the partition REGISTRY, that says that the registry is moved. An export leaves it out."""
    return "registry.move:"


def pending(resource_id: str) -> str:
    """The row of the pending change of a resource."""
    return f"pending:{_id(resource_id)}"


def pending_part(resource_id: str, change_id: str, number: int) -> str:
    """The row of one part of a large change."""
    return f"{pending(resource_id)}:{change_id}:{number:04}"


def pending_parts(resource_id: str, change_id: str) -> KeyRange:
    """The rows of all parts of a large change."""
    return _below(f"{pending(resource_id)}:{change_id}")


def change_of(part_key: str) -> tuple[str, str]:
    """The id of the resource and the id of the large change that a part belongs to: its key has ids as they are."""
    _, resource_id, change_id, *_ = part_key.split(":")
    return resource_id, change_id


def sweep_entry(tenant: str, resource_id: str, change_id: str) -> str:
    """The row, in the partition SWEEP, that names a change of a tenant."""
    return f"{partition(tenant)}:{_id(resource_id)}:{change_id}"


def change(stamp: str, change_id: str) -> str:
    """The row in which a change says what it did, until the relay has moved it."""
    return f"change:{stamp}:{change_id}"


def feed_head() -> str:
    """The row that says how far the tenant's feed has come. It comes before the rows of the feed."""
    return "feed:"


def feed(number: int) -> str:
    """The row of the entry with this number."""
    return f"feed:{number:012}"


def feed_number(key: str) -> int:
    """The number of the entry in a row of the feed."""
    return int(key.removeprefix("feed:"))


def feed_after(number: int) -> KeyRange:
    """The rows of the entries after the one with this number."""
    return KeyRange(feed(number + 1), of_kind("feed").high)


def logged(resource_id: str, stamp: str, change_id: str) -> str:
    """The row of a change among those of a resource, in the order of the stamps."""
    return f"log:{_id(resource_id)}:{stamp}:{change_id}"


def was(unique_key: str, resource_id: str) -> str:
    """The row by which a resource is found under a name that it has given up: the key of its unique index row."""
    return f"was:{unique_key.partition(':')[2]}:{_id(resource_id)}"


def logged_of(resource_id: str, stamp: str = "") -> KeyRange:
    """The rows of the log of a resource, from this stamp on."""
    whole = _below(f"log:{_id(resource_id)}")
    return KeyRange(whole.low + stamp, whole.high)


def formerly(entry: IndexEntry, *, prefix: bool) -> KeyRange:
    """The rows of resources that gave up this unique value, or with `prefix` one that begins with it."""
    if prefix:
        low = f"was:{fit_prefix(encode(entry.key), KEY_LIMIT)}"
        return KeyRange(low, low + ABOVE_ALL)
    return _below(f"was:{fit(encode(entry.key), KEY_LIMIT)}")


def attempts_from(stamp: str) -> KeyRange:
    """The rows of attempts from this stamp on."""
    whole = of_kind("attempt")
    return KeyRange(whole.low + stamp, whole.high)


def attempt(stamp: str, attempt_id: str) -> str:
    """The row of a request that did not do all that it asked for, in the order of the stamps."""
    return f"attempt:{stamp}:{attempt_id}"


def is_unique_index(key: str) -> bool:
    """Whether only one resource can have this index row: then its key does not end with an id."""
    return key.count(":") == 1 and "." in kind_of(key)


def waiting(tenant: str) -> str:
    """The row, in the partition SWEEP, that says that a tenant's changes may wait for the relay."""
    return f"{_WAITING}{partition(tenant)}:"


def waiting_tenants() -> KeyRange:
    """The rows, in the partition SWEEP, that name tenants whose changes may wait."""
    return KeyRange(_WAITING, _end_of(_WAITING))


def moved(tenant: str) -> str:
    """The row, in the partition SWEEP, that has the newest number of a tenant's feed."""
    return f"{_MOVED}{partition(tenant)}:"


def moved_tenants() -> KeyRange:
    """The rows, in the partition SWEEP, that have the newest numbers of the feeds."""
    return KeyRange(_MOVED, _end_of(_MOVED))


def doorbells_of(tenant: str) -> list[KeyRange]:
    """The rows, in the partition SWEEP, by which a tenant's feed is found."""
    return [KeyRange(key, key + BELOW_ALL) for key in (waiting(tenant), moved(tenant), due(tenant))]


def hook(hook_id: str) -> str:
    """The row, in the partition SWEEP, of a hook."""
    return f"{_HOOK}{_id(hook_id)}"


def hooks() -> KeyRange:
    """The rows, in the partition SWEEP, of all hooks."""
    return KeyRange(_HOOK, _end_of(_HOOK))


def due(tenant: str) -> str:
    """The row, in the partition SWEEP, that says that there may be something to deliver to hooks of a tenant."""
    return f"{_DUE}{partition(tenant)}:"


def due_tenants() -> KeyRange:
    """The rows, in the partition SWEEP, that name tenants with something to deliver."""
    return KeyRange(_DUE, _end_of(_DUE))


def hook_cursor(hook_id: str, stream: str) -> str:
    """The row, in a tenant's partition, that says how far a hook has come with its events, or with a replay."""
    return f"hook:{_id(hook_id)}:{stream}"


def dead_batch(hook_id: str, epoch: str, first: int) -> str:
    """The row of a batch that a hook's receiver has never taken."""
    return f"hook:{_id(hook_id)}:dead:{epoch}:{first:012}"


def dead_batches(hook_id: str) -> KeyRange:
    """The rows of all batches that a hook's receiver has never taken."""
    return _below(f"hook:{_id(hook_id)}:dead")


def of_hook(hook_id: str) -> KeyRange:
    """All rows of a hook in a tenant's partition."""
    return _below(f"hook:{_id(hook_id)}")


def round_() -> str:
    """The row, in the partition SWEEP, that says how far the round of all tenants has come."""
    return ":round:"


def kind_of(key: str) -> str:
    """The kind of a row, such as User, User.userName or memberOf."""
    return key.partition(":")[0]


def of_kind(kind: str) -> KeyRange:
    """The rows of a kind, as kind_of tells it."""
    return _below(kind)


def sweep_entries_of(tenant: str) -> KeyRange:
    """The rows, in the partition SWEEP, that name changes of a tenant."""
    return _below(partition(tenant))


def everything() -> KeyRange:
    """All rows of a partition: keys are ASCII."""
    return KeyRange("", "\x7f")


def _below(key: str, after: str | None = None) -> KeyRange:
    low = f"{key}:" if after is None else f"{key}:{_id(after)}{BELOW_ALL}"
    return KeyRange(low, f"{key}{_AFTER_COLON}")


def _end_of(prefix: str) -> str:
    return prefix[:-1] + _AFTER_COLON


def _id(text: str) -> str:
    return fit(encode(text), ID_LIMIT)


@lru_cache(maxsize=1024)  # as many as there are resource types and indexed attributes
def _kind(resource_type: str, attribute: str | None = None) -> str:
    if resource_type in RESERVED_NAMES or "." in resource_type:
        raise ValueError(f"A resource type cannot have the name {resource_type!r}: rows of another kind have it.")
    name = resource_type if attribute is None else f"{resource_type}.{attribute}"
    return fit(encode(name), KIND_LIMIT)
