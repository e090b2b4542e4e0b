"""An import takes only what an export of this deployment wrote, unless the operator says otherwise."""

import hashlib
import hmac
import json
import os
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scim_core.settings import backup_key
from scim_core.storage.maintenance.archive import MAX_LINE_BYTES, ArchiveError, Header, Writer, read
from scim_core.storage.maintenance.importing import stored
from scim_core.storage.maintenance.signing import BackupKey, NotVerified, lines_of, verify
from tests.commands import BACKUP_KEY, SIGNING, run_here
from tests.faults.disturbed_rows import Fault, FaultyRows
from tests.memory_rows import MemoryRows
from tests.scim import replace
from tests.transfer.conftest import Directory, also_over_azurite
from tests.transfer.test_interruptions import later
from tests.transfer.test_interruptions import lines_of as exported_lines

KEY = BackupKey(BACKUP_KEY)
OTHER_SETTING = {"SCIM_BACKUP_KEY": "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXI="}
OTHER_KEY = BackupKey(b"other other other other other other")
NO_KEY = {"SCIM_BACKUP_KEY": ""}


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


async def refused(target: Directory, file: Path, *given: str, **settings: str) -> str:
    """What the import says that is refused, and has written nothing."""
    done = await target.run("import", file, *given, **settings)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), (done.stdout, done.stderr)
    assert (await stored(target.rows, "default")).rows == 0
    return done.stderr


@also_over_azurite
async def test_a_signed_export_is_imported_and_both_say_so(directory: Callable[[], Directory], file: Path) -> None:
    source, target = directory(), directory()
    await source.client.user("ann@example.com")
    exported = await source.run("export", file)
    assert f"signed with the key {KEY.id}" in exported.stdout
    header, *_, trailer = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert header["signedWith"] == KEY.id
    content = file.read_bytes()[: file.read_bytes().rstrip(b"\n").rindex(b"\n") + 1]
    assert trailer["hmac"] == hmac.digest(BACKUP_KEY, content, "sha256").hex()
    assert SIGNING["SCIM_BACKUP_KEY"] not in exported.stdout + exported.stderr + file.read_text()
    imported = await target.run("import", file)
    assert (imported.returncode, "WARNING" in imported.stderr) == (0, False), imported.stderr
    assert f"an export of the tenant default, begun {header['started'][:16]}Z" in imported.stdout
    assert await target.client.names("userName pr") == ["ann@example.com"]


async def test_without_a_key_an_export_says_that_it_is_unsigned_and_needs_the_operators_word(
    directory: Callable[[], Directory], file: Path
) -> None:
    source, target = directory(), directory()
    exported = await source.run("export", file, **NO_KEY)
    assert "not signed, because SCIM_BACKUP_KEY is not set" in exported.stdout
    header, trailer = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert (header["signedWith"], "hmac" in trailer) == ("", False)
    for settings in (NO_KEY, {}):
        assert "The file is not signed." in await refused(target, file, **settings)
    taken = await target.run("import", file, "--unsigned")
    assert (taken.returncode, "WARNING The file is not signed." in taken.stderr) == (0, True)


async def test_a_file_of_version_0_2_needs_the_operators_word(directory: Callable[[], Directory], file: Path) -> None:
    """Its header names no key."""
    target = directory()
    header = {"format": "scim-directory", "started": "2026-11-25T02:15:00.000000Z", "tenant": "default", "version": 1}
    line = json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    trailer = {"rows": 0, "sha256": hashlib.sha256(line).hexdigest()}
    file.write_bytes(line + json.dumps(trailer).encode() + b"\n")
    assert "--unsigned" in await refused(target, file)
    assert (await target.run("import", file, "--unsigned")).returncode == 0


async def test_a_replaced_key_is_named(directory: Callable[[], Directory], file: Path) -> None:
    source, target = directory(), directory()
    await source.run("export", file)
    said = await refused(target, file, **OTHER_SETTING)
    assert f"signed with the key {KEY.id}" in said
    assert f"SCIM_BACKUP_KEY is the key {OTHER_KEY.id}" in said
    assert "SCIM_BACKUP_KEY is not set" in await refused(target, file, **NO_KEY)
    taken = await target.run("import", file, "--unsigned", **OTHER_SETTING)
    assert (taken.returncode, f"WARNING The file is signed with the key {KEY.id}" in taken.stderr) == (0, True)


def _resealed(lines: list[bytes]) -> list[bytes]:
    """With the count and the digest that fit these rows, as anybody can compute them. The signature stays."""
    trailer = json.loads(lines[-1])
    content = lines[:-1]
    trailer |= {"rows": len(content) - 1, "sha256": hashlib.sha256(b"".join(content)).hexdigest()}
    return [*content, json.dumps(trailer).encode() + b"\n"]


def _with(lines: list[bytes], **changes: Any) -> list[bytes]:
    return [*lines[:-1], json.dumps(json.loads(lines[-1]) | changes).encode() + b"\n"]


FORGERIES: dict[str, Callable[[list[bytes], list[bytes]], list[bytes]]] = {
    "edited": lambda one, _: _resealed([one[0], one[1].replace(b"example.com", b"example.org"), *one[2:]]),
    "reordered": lambda one, _: _resealed([one[0], one[2], one[1], *one[3:]]),
    "a row left out": lambda one, _: _resealed([one[0], *one[2:]]),
    "a row twice": lambda one, _: _resealed([one[0], one[1], *one[1:]]),
    "a row of another export": lambda one, two: _resealed([*one[:2], two[2], *one[3:]]),
    "the header of another export": lambda one, two: _resealed([two[0], *one[1:]]),
    "the trailer of another export": lambda one, two: [*one[:-1], two[-1]],
    "another tenant": lambda one, _: _resealed([one[0].replace(b'"default"', b'"other"'), *one[1:]]),
    "another time": lambda one, _: _resealed([one[0].replace(b"T", b"t", 1), *one[1:]]),
    "cut before the trailer": lambda one, _: one[:-1],
    "cut within the trailer": lambda one, _: [*one[:-1], one[-1][:20]],
    "cut to the header": lambda one, _: one[:1],
    "longer": lambda one, _: [*one, one[1]],
    "two trailers": lambda one, _: [*one, one[-1]],
    "both": lambda one, two: [*one, *two],
    "no signature": lambda one, _: _with(one, hmac=None),
    "a signature that is no text": lambda one, _: _with(one, hmac=["x"]),
    "a signature outside ASCII": lambda one, _: _with(one, hmac="\ud83d\ude00"),
    "a surrogate as its signature": lambda one, _: _with(one, hmac="\ud800"),
    "no line end": lambda one, _: [b"".join(one)[:-1]],
}


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("unsigned", [False, True], ids=["", "--unsigned"])
async def test_what_is_not_as_it_was_signed_is_refused_whatever_the_operator_says(
    directory: Callable[[], Directory], file: Path, forgery: str, unsigned: bool
) -> None:
    source, target = directory(), directory()
    for number in range(4):
        await source.client.user(f"u{number}@example.com")
    one = await exported_lines(source.rows, KEY, later)
    for user in (await source.client.get("/Users")).document["Resources"]:
        await source.client.patch(f"/Users/{user['id']}", replace("title", "x"))
    two = await exported_lines(source.rows, KEY, later)
    file.write_bytes(b"".join(FORGERIES[forgery](one, two)))
    said = await refused(target, file, *(["--unsigned"] if unsigned else []))
    assert "signature" in said or "trailer" in said or "does not end" in said, said


async def test_a_file_whose_signature_was_taken_off_is_an_unsigned_one(
    directory: Callable[[], Directory], file: Path
) -> None:
    source, target = directory(), directory()
    lines = await exported_lines(source.rows, KEY)
    header = json.loads(lines[0]) | {"signedWith": ""}
    file.write_bytes(b"".join(_resealed([json.dumps(header).encode() + b"\n", lines[-1]])))
    assert "not signed" in await refused(target, file)


@pytest.mark.parametrize("name", ["tenant", "started", "signedWith"])
async def test_a_header_cannot_write_to_the_operators_terminal(
    directory: Callable[[], Directory], file: Path, name: str
) -> None:
    header = json.loads(Writer().header(Header("a", "2026-11-25T02:15:00.000000Z", "0" * 16)))
    file.write_text(json.dumps(header | {name: "\x1b[2J"}) + "\n")
    assert "\x1b" not in await refused(directory(), file)


async def test_a_forged_file_is_refused_before_a_row_of_it_is_parsed(
    directory: Callable[[], Directory], file: Path
) -> None:
    source, target = directory(), directory()
    lines = await exported_lines(source.rows, KEY)
    file.write_bytes(b"".join(_resealed([lines[0], b"[" * 200_000 + b"\n", lines[-1]])))
    assert "signature" in await refused(target, file)


def test_a_file_that_changes_after_it_was_verified_is_noticed() -> None:
    def signed(tenant: str) -> list[bytes]:
        writer = Writer(KEY.signature())
        return [writer.header(Header(tenant, "2026-11-25T02:15:00.000000Z", KEY.id)), writer.trailer()]

    verified = verify(signed("a"), KEY, unsigned=False)
    list(read(signed("a"), verified.digest))
    with pytest.raises(ArchiveError, match="changed while it was read"):
        list(read(signed("b"), verified.digest))


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    writer = Writer(KEY.signature())
    lines = [writer.header(Header("a", "2026-11-25T02:15:00.000000Z", KEY.id)), writer.trailer()]
    with pytest.raises(NotVerified):
        verify(lines, KEY, unsigned=False)
    assert compared == [(json.loads(lines[-1])["hmac"].encode(),) * 2]


def test_a_file_of_any_size_is_verified_within_the_memory_of_a_line(tmp_path: Path) -> None:
    file = tmp_path / "large"
    header = Writer(KEY.signature()).header(Header("a", "2026-11-25T02:15:00.000000Z", KEY.id))
    with file.open("wb") as output:
        output.write(header)
        for _ in range(6):
            output.write(b"x" * MAX_LINE_BYTES)  # and no end of a line
    tracemalloc.start()
    with file.open("rb") as lines, pytest.raises(ArchiveError):
        verify(lines_of(lines), KEY, unsigned=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_LINE_BYTES


def test_the_key_itself_is_never_shown() -> None:
    assert BACKUP_KEY.decode() not in f"{KEY!r} {KEY} {KEY.id} {vars(KEY).keys()}"
    assert KEY.id != OTHER_KEY.id
    assert len(KEY.id) == 16


async def test_the_command_makes_keys_that_can_be_used() -> None:
    made = [(await run_here(MemoryRows(), "backup-key")).stdout.strip() for _ in range(2)]
    assert made[0] != made[1]
    assert len(backup_key({"SCIM_BACKUP_KEY": made[0]}) or b"") == 32


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
async def test_only_the_owner_can_read_an_export_whatever_the_umask(
    directory: Callable[[], Directory], file: Path, umask: int
) -> None:
    os.umask(umask)
    assert (await directory().run("export", file)).returncode == 0
    assert mode(file) == 0o600


async def test_only_the_owner_can_read_an_export_from_its_first_byte(
    directory: Callable[[], Directory], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before the mode is set explicitly, and while the export is not finished."""
    os.umask(0)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    source = directory()
    await source.client.user("ann@example.com")
    source.rows = FaultyRows(source.rows, lambda number, *_: Fault.BUSY if number > 1 else None)
    assert (await source.run("export", file)).returncode == 2
    assert mode(file.with_name("export.ndjson.part")) == 0o600


async def test_a_part_that_an_older_version_left_is_closed_to_others_and_continued(
    directory: Callable[[], Directory], file: Path
) -> None:
    source = directory()
    await source.client.user("ann@example.com")
    part = file.with_name("export.ndjson.part")
    part.write_bytes(b"".join((await exported_lines(source.rows, KEY))[:1]))
    assert mode(part) == 0o644
    assert (await source.run("export", file)).returncode == 0
    assert mode(file) == 0o600


@pytest.mark.parametrize("writable", [0o660, 0o606])
async def test_a_part_that_others_can_have_written_is_not_signed(
    directory: Callable[[], Directory], file: Path, writable: int
) -> None:
    source = directory()
    part = file.with_name("export.ndjson.part")
    part.write_bytes(b"".join((await exported_lines(source.rows, KEY))[:1]))
    part.chmod(writable)
    done = await source.run("export", file)
    assert (done.returncode, "Others can have written" in done.stderr) == (2, True)
    assert not file.exists()


async def test_a_link_in_the_place_of_the_part_is_not_followed(
    directory: Callable[[], Directory], file: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    file.with_name("export.ndjson.part").symlink_to(elsewhere)
    assert (await directory().run("export", file)).returncode == 2
    assert elsewhere.read_text() == "kept"


@pytest.mark.parametrize("settings", [OTHER_SETTING, NO_KEY])
async def test_an_export_is_not_continued_with_another_key(
    directory: Callable[[], Directory], file: Path, settings: dict[str, str]
) -> None:
    source = directory()
    file.with_name("export.ndjson.part").write_bytes((await exported_lines(source.rows, KEY))[0])
    done = await source.run("export", file, **settings)
    assert (done.returncode, f"begun with the key {KEY.id}" in done.stderr) == (2, True)


async def test_a_continued_export_is_signed_as_a_whole(directory: Callable[[], Directory], file: Path) -> None:
    source, target = directory(), directory()
    for number in range(4):
        await source.client.user(f"u{number}@example.com")
    lines = await exported_lines(source.rows, KEY)
    file.with_name("export.ndjson.part").write_bytes(b"".join(lines[:3]) + lines[3][:9])
    assert (await source.run("export", file)).returncode == 0
    assert (await target.run("import", file)).returncode == 0
