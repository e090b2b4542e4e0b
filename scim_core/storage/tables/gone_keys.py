"""The row keys of what a deletion keeps for a while, so that an operator can undo it."""

from scim_core.storage.tables import keys, log_keys
from scim_core.storage.tables.keys import KeyRange


def gone(stamp: str, change_id: str) -> str:
    """The row that keeps the document of a resource, named by the change that deleted it. In the order of stamps."""
    return f"gone:{stamp}:{change_id}"


def gone_edges(gone_key: str, done: int) -> str:
    """The row that keeps memberships of a deleted resource: those that left after so many others."""
    return f"{gone_key}:{done:09}"


def deletion_of(gone_key: str) -> str:
    """The key of the row with the document, from the key of any row that the deletion kept."""
    return ":".join(gone_key.split(":")[:3])


def entry_of(gone_key: str, resource_id: str) -> str:
    """The row of the deletion in the log of the resource."""
    _, stamp, change_id = deletion_of(gone_key).split(":")
    return log_keys.logged(resource_id, stamp, change_id)


def gone_from(stamp: str) -> KeyRange:
    """The rows that deletions of this stamp and later ones kept."""
    whole = keys.of_kind("gone")
    return KeyRange(whole.low + stamp, whole.high)
