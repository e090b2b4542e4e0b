"""Reads the users that an identity provider exports as CSV: Entra's "Download users", Okta's reports, or others."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

NAME = "userName"
ACTIVE = "active"

COLUMNS = {
    NAME: ("userprincipalname", "username", "login", "oktausername", "userlogin", "profilelogin"),
    ACTIVE: ("accountenabled", "active", "status", "oktauserstatus", "userstatus"),
    "displayName": ("displayname",),
    "name.givenName": ("givenname", "firstname", "profilefirstname"),
    "name.familyName": ("surname", "lastname", "familyname", "profilelastname"),
}
"""For each attribute, how its column may be called, in lower case and letters only. Entra's come first."""

_YES = frozenset({"true", "yes", "1", "active", "provisioned", "recovery", "password_expired", "locked_out"})
_NO = frozenset({"false", "no", "0", "inactive", "suspended", "deprovisioned", "deactivated", "staged", "disabled"})
_NO_LETTER = re.compile(r"[^a-z]")


class UserListError(ValueError):
    """The file is no list of users. The text says what is missing, and names lines by their numbers."""


@dataclass(frozen=True, slots=True)
class ListedUser:
    """A user as the identity provider lists it. `names` has the attributes for which the file has a column."""

    user_name: str
    active: bool
    names: Mapping[str, str] = field(default_factory=dict)


def listed_users(content: bytes, columns: Mapping[str, str]) -> Iterator[ListedUser]:
    """The users of the file. `columns` names the column of an attribute where it is called otherwise.

    Raises UserListError for a file without these columns, and for a state that is neither active nor disabled.
    """
    rows = csv.reader(io.StringIO(_text(content)), strict=True)
    try:
        header = next(rows, [])
        if header and header[0].startswith("version:"):  # Entra's templates begin with a line of their own
            header = next(rows, [])
        places = _places(header, columns)
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _user(row, places, rows.line_num)
    except csv.Error as error:
        raise UserListError(f"Line {rows.line_num} is not CSV: {error}.") from None


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserListError("The file is not UTF-8. Save it again as CSV UTF-8.") from None


def _places(header: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    names = [cell.strip() for cell in header]
    plain = [_NO_LETTER.sub("", name.partition("[")[0].lower()) for name in names]
    places: dict[str, int] = {}
    for attribute, called in COLUMNS.items():
        given = columns.get(attribute)
        if given is not None and given not in names:
            raise UserListError(f"There is no column {given!r}. The first line has: {', '.join(names)[:500]}.")
        found = [names.index(given)] if given else [plain.index(name) for name in called if name in plain]
        if found:
            places[attribute] = found[0]
    for attribute in (NAME, ACTIVE):
        if attribute not in places:
            raise UserListError(
                f"No column of the first line is known to hold {attribute}. Name it with --column {attribute}=COLUMN."
            )
    return places


def _user(row: list[str], places: Mapping[str, int], line: int) -> ListedUser:
    cells = {name: row[place].strip() if place < len(row) else "" for name, place in places.items()}
    state = cells.pop(ACTIVE).lower().replace(" ", "_")
    if state not in _YES | _NO:
        raise UserListError(f"Line {line}: the state is neither active nor disabled as Entra or Okta write it.")
    user_name = cells.pop(NAME)
    if not user_name:
        raise UserListError(f"Line {line} has no user name.")
    return ListedUser(user_name, state in _YES, cells)
