"""`admin compare`: an identity provider's list of users is held against a tenant's directory."""

import json
from pathlib import Path
from typing import Any

import pytest

from scim_core.storage.tables import TableStorage
from tests.commands import Done, run_here
from tests.memory_rows import MemoryRows
from tests.scim import Client, Clock, endpoint_over

TENANT = "default"
ENTRA = "userPrincipalName,displayName,surname,mail,givenName,objectId,userType,jobTitle,department,accountEnabled"


class Case:
    """A directory and a file, and what the command says of them."""

    def __init__(self, folder: Path) -> None:
        self.rows = MemoryRows()
        self.client = Client(endpoint_over(TableStorage(self.rows), Clock()))
        self._file = folder / "users.csv"

    def file(self, header: str, *rows: str, encoding: str = "utf-8") -> None:
        """The file has these lines."""
        self._file.write_text("\r\n".join((header, *rows, "")), encoding=encoding)

    async def run(self, *given: str, before: tuple[str, ...] = ()) -> Done:
        return await run_here(self.rows, *before, "compare", TENANT, self._file, *given)

    async def differences(self, *given: str) -> list[tuple[str, str]]:
        """What differs, and for whom."""
        done = await self.run(*given, before=("--json",))
        found: list[dict[str, Any]] = json.loads(done.stdout)["differences"]
        return [(item["difference"], item["userName"]) for item in found]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def entra(user_name: str, *, enabled: bool = True, display: str = "", surname: str = "", given: str = "") -> str:
    """A line of Entra's file."""
    return f"{user_name},{display},{surname},,{given},0,Member,,,{enabled}"


async def test_nothing_differs_between_equal_lists_in_any_letter_case(case: Case) -> None:
    await case.client.user("Ada@Example.com", active=True, displayName="Ada")
    case.file(ENTRA, entra("ada@example.com", display="Ada"), encoding="utf-8-sig")
    done = await case.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 users here, 1 in the file. Nothing differs." in done.stdout


@pytest.mark.parametrize(
    ("here", "line", "difference", "code"),
    [
        (True, entra("ada@example.com", enabled=False), "active here, disabled there", 3),
        (True, entra("eve@example.com", enabled=False), "active here, gone there", 3),
        (False, entra("ada@example.com"), "disabled here, active there", 1),
        (None, entra("ada@example.com"), "missing here", 1),
    ],
)
async def test_a_difference_is_named_and_the_exit_code_says_if_somebody_can_still_log_in(
    case: Case, here: bool | None, line: str, difference: str, code: int
) -> None:
    if here is not None:
        await case.client.user("ada@example.com", active=here)
    case.file(ENTRA, line)
    assert await case.differences() == [(difference, "ada@example.com")]
    done = await case.run()
    assert done.returncode == code
    assert f"1 {difference}." in done.stdout


@pytest.mark.parametrize("line", [entra("ada@example.com", enabled=False), entra("eve@example.com", enabled=False)])
async def test_who_is_inactive_here_and_disabled_or_gone_there_differs_in_nothing(case: Case, line: str) -> None:
    await case.client.user("ada@example.com", active=False)
    case.file(ENTRA, line)
    assert await case.differences() == []


async def test_a_user_without_active_counts_as_active(case: Case) -> None:
    await case.client.user("ada@example.com")
    case.file(ENTRA, entra("ada@example.com", enabled=False))
    assert await case.differences() == [("active here, disabled there", "ada@example.com")]


async def test_a_differing_name_is_shown_with_both_spellings(case: Case) -> None:
    await case.client.user("ada@example.com", active=True, displayName="Ada Byron", name={"familyName": "Byron"})
    case.file(ENTRA, entra("ada@example.com", display="Ada Lovelace", surname="Byron"))
    done = await case.run()
    assert done.returncode == 1
    assert "displayName is 'Ada Byron' here, 'Ada Lovelace' there" in done.stdout


async def test_a_name_that_the_customer_does_not_map_is_not_compared(case: Case) -> None:
    await case.client.user("ada@example.com", active=True)
    case.file(ENTRA, entra("ada@example.com", display="Ada Lovelace"))
    assert await case.differences() == []


@pytest.mark.parametrize(
    ("header", "line", "active"),
    [
        ("Login,First name,Last name,Status", "ada@example.com,Ada,Byron,ACTIVE", True),
        ("Login,First name,Last name,Status", "ada@example.com,Ada,Byron,DEPROVISIONED", False),
        ("Okta username,Okta user status", "ada@example.com,Password expired", True),
        ("user.login,user.status", "ada@example.com,SUSPENDED", False),
        ("Username [userPrincipalName] Required,accountEnabled", "ada@example.com,true", True),
    ],
)
async def test_the_columns_of_other_lists_are_known(case: Case, header: str, line: str, active: bool) -> None:
    await case.client.user("ada@example.com", active=active)
    case.file(header, line)
    assert await case.differences() == []


async def test_a_column_of_another_name_can_be_given(case: Case) -> None:
    await case.client.user("ada@example.com", active=True)
    case.file("upn,enabled", "ada@example.com,no")
    assert (await case.run()).returncode == 2
    given = ("--column", "userName=upn", "--column", "active=enabled")
    assert await case.differences(*given) == [("active here, disabled there", "ada@example.com")]


@pytest.mark.parametrize(
    ("lines", "given", "said"),
    [
        (("upn,enabled", "a,true"), (), "No column of the first line is known to hold userName."),
        ((ENTRA, entra("a")), ("--column", "userName=nobody"), "There is no column 'nobody'."),
        ((ENTRA, entra("a")), ("--column", "shoeSize=size"), "--column takes ATTRIBUTE=COLUMN"),
        (("login,status", "a,perhaps"), (), "Line 2: the state is neither active nor disabled"),
        (("login,status", ",active"), (), "Line 2 has no user name."),
        (("login,status",), (), "The file lists nobody."),
        (("login,status", 'a,"active" x'), (), "Line 2 is not CSV"),
    ],
)
async def test_another_file_is_refused_with_a_sentence(
    case: Case, lines: tuple[str, ...], given: tuple[str, ...], said: str
) -> None:
    case.file(*lines)
    done = await case.run(*given)
    assert done.returncode == 2
    assert said in done.stderr


async def test_a_file_in_another_encoding_is_refused(case: Case) -> None:
    case.file("login,status", "bj\u00f6rn,active", encoding="latin-1")
    assert "not UTF-8" in (await case.run()).stderr


async def test_a_user_that_is_listed_twice_is_named(case: Case) -> None:
    await case.client.user("ada@example.com", active=True)
    case.file("login,status", "ada@example.com,active", "ADA@example.com,active")
    assert await case.differences() == [("listed twice", "ADA@example.com")]


async def test_all_pages_of_a_large_directory_are_read(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scim_core.admin.compare.PAGE", 2)
    names = [f"user{number}@example.com" for number in range(5)]
    for name in names:
        await case.client.user(name, active=True)
    case.file("login,status", *(f"{name},active" for name in names))
    assert "5 users here, 5 in the file. Nothing differs." in (await case.run()).stdout


async def test_a_hostile_name_moves_no_cursor(case: Case) -> None:
    case.file("login,status", "\x1b[2Ja\u202etxt,active")
    shown = (await case.run()).stdout
    assert "\\x1b[2Ja\\u202etxt" in shown
    assert "\x1b" not in shown
