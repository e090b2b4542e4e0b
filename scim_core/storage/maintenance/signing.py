"""The signature of an export: HMAC-SHA-256 over every byte before the trailer. So it covers the header, each row, and
the order of the rows. The key is the operator's own, and the file names it by an id that does not tell the key.

A file is verified as bytes, before any row of it is parsed. Memory stays that of one line.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from scim_core.storage.maintenance.archive import MAX_LINE_BYTES, ArchiveError, Header, parse_header, parse_trailer

_ID_DIGITS = 16
"""64 bits: enough to tell the keys of a deployment apart. It proves nothing, the signature does."""

_ID_TEXT = b"the id of a key of exports"
"""What is signed to get the id. No export starts like this, so the id is no signature of one."""


class BackupKey:
    """The operator's key. Its own text and `repr` do not show it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.id = hmac.digest(secret, _ID_TEXT, "sha256").hex()[:_ID_DIGITS]

    def signature(self) -> "hmac.HMAC":
        """The signature of nothing: whoever signs or verifies updates it with each line."""
        return hmac.new(self._secret, digestmod="sha256")


class NotVerified(ArchiveError):
    """It is not proven that the file is a whole and unchanged export of this deployment."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The SHA-256 of all bytes before the trailer, if their signature is good. Otherwise it is empty, and `doubt` says
    why nothing is proven. Without a doubt, the header is what an export wrote.
    """

    header: Header
    digest: str
    doubt: str


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file. One that no export writes, because it is too long, comes in pieces without an end."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        yield line


def verify(lines: Iterable[bytes], key: BackupKey | None, *, unsigned: bool) -> Verified:
    """What is known of these bytes. With `unsigned` a file passes that is not signed, or with a key not known here.

    Raises NotVerified; with `unsigned` too if the file names this key and is not what the key has signed.
    """
    remaining = iter(lines)
    line = next(remaining, b"")
    if not line:
        raise ArchiveError("The file is empty.")
    header = parse_header(line)
    doubt = _doubt(header, key)
    if doubt and not unsigned:
        raise NotVerified(f"{doubt} If you know that nobody has changed the file, import it with --unsigned.")
    if doubt or key is None:
        return Verified(header, "", doubt)
    digest, signature, number = hashlib.sha256(), key.signature(), 0
    for number, following in enumerate(remaining, start=1):  # noqa: B007 -- the trailer's number is needed below
        digest.update(line)
        signature.update(line)
        line = following
    _require_signed(parse_trailer(line, number), signature)
    return Verified(header, digest.hexdigest(), "")


def _doubt(header: Header, key: BackupKey | None) -> str:
    if not header.signed_with:
        return "The file is not signed."
    if key is None:
        return f"The file is signed with the key {header.signed_with}, and SCIM_BACKUP_KEY is not set."
    if header.signed_with != key.id:
        return (
            f"The file is signed with the key {header.signed_with}, and SCIM_BACKUP_KEY is the key {key.id}. Was the "
            f"key replaced? Then set the one that was in use at the time of the export, {header.started[:10]}."
        )
    return ""


def _require_signed(trailer: dict[str, object], signature: "hmac.HMAC") -> None:
    said = str(trailer.get("hmac")).encode(errors="replace")
    if not hmac.compare_digest(said, signature.hexdigest().encode()):
        raise NotVerified("The signature of the file is not that of its content: it was cut or changed. Do not use it.")
