"""An export as a file of NDJSON: a line for the header, a line for each row, and the trailer, which proves it whole.

    {"format": "scim-directory", "version": 1, "tenant": "default", "started": "2026-11-25T02:15:00.000000Z",
     "signedWith": "3f0c..."}                                                      (all on one line)
    {"key": "User:0190...", "row": {"id": "0190...", "version": "...", "d0": "..."}}
    {"key": "member:0190...:0191...", "row": {...}, "again": true}
    {"rows": 2, "sha256": "...", "hmac": "..."}

The digest and the signature (signing.py) are of all bytes before the trailer. An export without a key has the empty
text as `signedWith`, and no `hmac`. Files of version 0.2 and before have neither. A line with `again` is of a row that
changed while the export ran: it replaces an earlier line of the same key. Pure: bytes in, bytes out.
docs/operate/backup.md describes the format for people.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from scim_core.model import Column

FORMAT = "scim-directory"
VERSION = 1
"""Changes with the layout of rows (docs/storage.md): an import refuses the file of a later layout."""

MAX_LINE_BYTES = 8 * 1024 * 1024
"""A row holds 1 MiB: six times as much as JSON with every character escaped. A longer line is no line of an export."""

_NO_TRAILER = "The file has no trailer: its export did not finish. Run the export again."


class ArchiveError(Exception):
    """The file is not a whole export; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Header:
    """Whose directory it is, when its export started, and the id of the key that signs it: empty for none."""

    tenant: str
    started: str
    signed_with: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row and the number of its line; the header has 0. With `again` it replaces an earlier line of its key."""

    number: int
    key: str
    properties: dict[str, Column]
    again: bool = False


class Signature(Protocol):
    """What signs an export: it is updated with each line, and read at the end."""

    def update(self, line: bytes, /) -> None:
        """The line is signed too."""

    def hexdigest(self) -> str:
        """The signature of all lines so far."""


class Writer:
    """Makes the lines, keeps count of them, and signs them if it is given a signature."""

    def __init__(self, signature: Signature | None = None) -> None:
        self._digest = hashlib.sha256()
        self._signature = signature
        self.rows = 0

    def header(self, header: Header) -> bytes:
        """The first line."""
        return self._noted(
            {
                "format": FORMAT,
                "version": VERSION,
                "tenant": header.tenant,
                "started": header.started,
                "signedWith": header.signed_with,
            },
            rows=0,
        )

    def row(self, key: str, properties: Mapping[str, Column], *, again: bool = False) -> bytes:
        """The line of a row."""
        return self._noted({"key": key, "row": dict(properties)} | ({"again": True} if again else {}), rows=1)

    def trailer(self) -> bytes:
        """The last line. A file without it is not whole."""
        signed = {"hmac": self._signature.hexdigest()} if self._signature else {}
        return _line({"rows": self.rows, "sha256": self._digest.hexdigest(), **signed})

    def again(self, line: bytes) -> None:
        """This line, which an interrupted export has written, counts as written."""
        self._update(line)
        self.rows += "key" in _parsed(line, self.rows)

    def _noted(self, content: dict[str, Any], *, rows: int) -> bytes:
        line = _line(content)
        self._update(line)
        self.rows += rows
        return line

    def _update(self, line: bytes) -> None:
        self._digest.update(line)
        if self._signature:
            self._signature.update(line)


def read(lines: Iterable[bytes], verified: str = "") -> Iterator[Header | Line]:
    """The header, then every row. Raises ArchiveError for the first fault: some show only at the end of the file.

    `verified` is the digest that the bytes before the trailer had when their signature was verified.
    """
    digest, rows, whole = hashlib.sha256(), 0, False
    for number, line in enumerate(lines):
        if whole:
            raise ArchiveError(f"Line {number + 1} follows the trailer: the file was changed.")
        content = _parsed(line, number)
        if number == 0:
            yield header_of(content)
        elif "sha256" in content:
            _require_whole(content, rows, digest.hexdigest())
            if verified not in ("", digest.hexdigest()):
                raise ArchiveError("The file was changed while it was read.")
            whole = True
            continue
        else:
            yield _row(content, number)
            rows += 1
        digest.update(line)
    if not whole:
        raise ArchiveError(_NO_TRAILER)


def header_of(content: Mapping[str, Any]) -> Header:
    """The header. Raises ArchiveError for another format or a version that is not known here."""
    if content.get("format") != FORMAT:
        raise ArchiveError("The file does not start with the header of an export.")
    if content.get("version") != VERSION:
        raise ArchiveError(f"The file has version {content.get('version')!r}; this program reads {VERSION}.")
    header = Header(str(content.get("tenant")), str(content.get("started")), str(content.get("signedWith", "")))
    if not f"{header.tenant}{header.started}{header.signed_with}".isprintable():
        raise ArchiveError("The header of the file has characters that no export writes.")
    return header


def parse_header(line: bytes) -> Header:
    """The header of a first line. Raises ArchiveError."""
    return header_of(_parsed(line, 0))


def parse_trailer(line: bytes, number: int) -> dict[str, Any]:
    """The trailer. Raises ArchiveError if this line, the last one, is something else."""
    content = _parsed(line, number)
    if "sha256" not in content:
        raise ArchiveError(_NO_TRAILER)
    return content


def is_trailer(line: bytes) -> bool:
    """Whether this is the last line of an export."""
    return b'"sha256":' in line and "sha256" in _parsed(line, 0)


def parse_row(line: bytes, number: int) -> Line:
    """The row of a line. Raises ArchiveError."""
    return _row(_parsed(line, number), number)


def _require_whole(trailer: Mapping[str, Any], rows: int, digest: str) -> None:
    if trailer.get("rows") != rows:
        raise ArchiveError(f"The file has {rows} rows and should have {trailer.get('rows')}: it was cut or changed.")
    if trailer.get("sha256") != digest:
        raise ArchiveError("The file's content does not have the digest that its trailer names: it was changed.")


def _row(content: Mapping[str, Any], number: int) -> Line:
    key, properties = content.get("key"), content.get("row")
    if not isinstance(key, str) or not isinstance(properties, dict):
        raise ArchiveError(f"Line {number + 1} is no row.")
    if not all(isinstance(value, str | bool) for value in properties.values()):
        raise ArchiveError(f"Line {number + 1} has a value that is not text, true or false.")
    return Line(number, key, properties, content.get("again") is True)


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES or not line.endswith(b"\n"):
        raise ArchiveError(f"Line {number + 1} does not end: the file was cut, or is no export.")
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ArchiveError(f"Line {number + 1} is no JSON object.")
    return content


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"
