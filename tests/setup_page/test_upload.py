"""A mapping that is uploaded is looked at target by target, whatever the file is, and nothing of it is kept."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from scim_core.endpoint.setup import views
from scim_core.endpoint.setup.setup_endpoint import COOKIE, MAX_TARGETS, UPLOADS
from scim_core.endpoint.setup.upload import MAX_PART_HEADER_BYTES, MAX_UPLOAD_BYTES
from scim_core.protocol.mapping_lint import Verdict, lint_mappings
from scim_core.protocol.schemas import load_catalogue
from scim_core.protocol.synchronization_schema import MAX_PARTS, MappingFileError, _Schema, object_mappings
from scim_core.work import Work
from tests.global_relay import GROUP_TARGETS, USER_TARGETS
from tests.scim import ENTERPRISE
from tests.scim import USER as SCIM_USER
from tests.setup_page.test_progress import TENANT, text_of
from tests.setup_page.world import BOUNDARY, SetupService, form_of, good_mapping, mistaken_mapping, service
from tests.synchronization_schema import GROUP, USER, attribute, objects, written


@pytest.fixture
def it() -> SetupService:
    return service()


@pytest.fixture
async def cookie(it: SetupService) -> str:
    return await it.opened(await it.customer())


async def checked(it: SetupService, cookie: str, content: bytes) -> str:
    answer = await it.upload(cookie, content)
    assert answer.status == 200, answer.body.decode()
    return answer.body.decode()


async def test_each_target_is_told_with_what_to_do(it: SetupService, cookie: str, tmp_path: Path) -> None:
    page = text_of(await checked(it, cookie, mistaken_mapping(tmp_path).read_bytes()))
    assert "3 to look at. 9 targets are stored as sent." in page
    assert "wrkEmail ignored No schema declares it." in page
    assert "Did you mean emails[type eq &#34;work&#34;].value?" in page
    assert "groups read-only" in page
    assert "User not always sent The action Delete is not chosen." in page
    assert "Connect Contoso Ltd" in page


async def test_a_mapping_is_judged_by_what_the_tenant_has(it: SetupService, cookie: str, tmp_path: Path) -> None:
    target = f"{ENTERPRISE}:department"
    users = [attribute("userName", matching=1), attribute("active"), attribute(target)]
    content = written(tmp_path / "schema.json", objects(USER, users)).read_bytes()
    assert "All 3 targets are stored as sent." in text_of(await checked(it, cookie, content))
    await it.administration.choose_schemas(TENANT, "schemas deny", lambda chosen: chosen.denying([ENTERPRISE]))
    it.pass_time(61)
    page = text_of(await checked(it, cookie, content))
    assert f"{target} ignored" in page
    sent = {"schemas": [SCIM_USER], "userName": "ann", "departmnt": "Sales", "wrkEmail": "a@contoso.example"}
    await it.scim("POST", "Users", it.issued[0].secret, sent)
    page = text_of(await it.page(cookie))
    assert "departmnt Nothing here is like it. Remove this mapping." in page
    assert "wrkEmail Did you mean" in page
    await it.administration.choose_schemas(TENANT, "schemas default", lambda chosen: chosen.without([ENTERPRISE]))
    it.pass_time(61)
    assert f"departmnt Did you mean {target} ?" in text_of(await it.page(cookie))


async def test_the_mapping_of_global_relay_has_nothing_to_complain_about(
    it: SetupService, cookie: str, tmp_path: Path
) -> None:
    users = [attribute(target, matching=int(target == "userName")) for target in USER_TARGETS]
    groups = [attribute(target, matching=int(target == "displayName")) for target in GROUP_TARGETS]
    file = written(tmp_path / "schema.json", objects(USER, users), objects(GROUP, groups))
    page = text_of(await checked(it, cookie, file.read_bytes()))
    assert "All 69 targets are stored as sent. There is nothing to complain about." in page


async def test_an_empty_mapping_is_not_praised(it: SetupService, cookie: str) -> None:
    page = text_of(await checked(it, cookie, b'{"synchronizationRules": []}'))
    assert "There is nothing to complain about" not in page
    assert "User missing No mapping of users is switched on" in page


def test_the_targets_that_the_page_names_are_declared_and_what_it_warns_of_is_not(tmp_path: Path) -> None:
    catalogue = load_catalogue(None)

    def verdict(target: str) -> Verdict:
        file = written(tmp_path / "schema.json", objects(USER, [attribute(target)]))
        return next(item.verdict for item in lint_mappings(catalogue, object_mappings(file.read_bytes())))

    assert {verdict(target) for _, target, _ in views.MAPPINGS} == {Verdict.KEPT}
    assert {verdict(target) for _, target in views.EXAMPLE} == {Verdict.KEPT}
    assert {target for _, target in views.EXAMPLE} <= set(USER_TARGETS)
    assert {verdict(wrong) for wrong, _ in views.EXAMPLE} == {Verdict.IGNORED}
    assert views.KINDS.keys() == set(Verdict)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"{" * 100_000,
        b'{"synchronizationRules": [1]}',
        b"<html>",
        b"[" * 5_000,
    ],
    ids=["empty", "object", "list", "null", "not text", "deep", "another shape", "HTML", "deep lists"],
)
async def test_what_is_no_export_is_told_so(it: SetupService, cookie: str, content: bytes) -> None:
    answer = await it.upload(cookie, content)
    page = text_of(answer.body.decode())
    if content:
        assert answer.status == 200
        assert "This is no synchronization schema of Entra" in page
        assert "Review your schema here" in page
    else:
        assert (answer.status, "Choose the file first" in page) == (400, True)


async def test_hostile_names_in_a_mapping_are_shown_escaped(it: SetupService, cookie: str, tmp_path: Path) -> None:
    evil = ['"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "\u202egro.live", "<script>alert(1)</script>", "a" * 3_000]
    types = ["urn:x:<b>User</b>", USER]
    mappings = [objects(name, [attribute(target) for target in evil]) for name in types]
    page = await checked(it, cookie, written(tmp_path / "schema.json", *mappings).read_bytes())
    assert "<img" not in page.replace('<img src="/setup/assets/icon.svg', "")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "49" not in page.partition('id="mapping"')[2]
    assert "\u202e" not in page
    assert "\\u202e" in page


async def test_a_file_that_is_too_large_or_has_too_many_targets_is_refused(
    it: SetupService, cookie: str, tmp_path: Path
) -> None:
    head = len(form_of(b""))
    large = await it.upload(cookie, b" " * (MAX_UPLOAD_BYTES - head + 1))
    assert (large.status, "The file is larger than 1 MiB" in large.body.decode()) == (413, True)
    assert (await it.upload(cookie, b" " * (MAX_UPLOAD_BYTES - head))).status == 200
    many = [objects(USER, [attribute(f"x{number}") for number in range(MAX_TARGETS)])]
    page = await checked(it, cookie, written(tmp_path / "schema.json", *many).read_bytes())
    assert f"more than {MAX_TARGETS} targets" in page


async def test_the_most_targets_that_are_looked_at_are_looked_at_in_a_thread(
    it: SetupService, cookie: str, tmp_path: Path
) -> None:
    names = [f"unlikely{number}" for number in range(MAX_TARGETS - 1)]
    file = written(tmp_path / "schema.json", objects(USER, [attribute(name) for name in names]))
    page = await checked(it, cookie, file.read_bytes())
    assert page.count('class="tag bad">ignored') == MAX_TARGETS - 1


@pytest.mark.parametrize("entry", [b"1,", b"{},", b'"",', b"[],"], ids=["numbers", "objects", "texts", "lists"])
@pytest.mark.parametrize(
    "head",
    [
        b'{"synchronizationRules":[',
        b'{"synchronizationRules":[{"objectMappings":[',
        b'{"synchronizationRules":[{"objectMappings":[{"targetObjectName":"User","attributeMappings":[',
    ],
    ids=["rules", "objects", "attributes"],
)
async def test_a_file_with_many_entries_is_refused_before_any_is_looked_at(
    it: SetupService, cookie: str, head: bytes, entry: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_at(_: object) -> None:
        raise AssertionError("one error for each of these entries would be made")

    monkeypatch.setattr(_Schema, "model_validate", looked_at)
    monkeypatch.setattr(_Schema, "model_validate_json", looked_at)
    last = b"1" + b"]}" * head.count(b"[")
    content = head + entry * ((MAX_UPLOAD_BYTES - len(form_of(head + last))) // len(entry)) + last
    tracemalloc.start()
    try:
        page = text_of(await checked(it, cookie, content))
        assert tracemalloc.get_traced_memory()[1] < 50 * MAX_UPLOAD_BYTES
    finally:
        tracemalloc.stop()
    assert f"more than {MAX_TARGETS} targets" in page or f"more than {MAX_PARTS} objects and lists" in page


async def test_few_rules_with_many_mappings_are_counted_as_well(it: SetupService, cookie: str) -> None:
    rules = [{"objectMappings": [{"targetObjectName": "User"}] * 2}] * (MAX_TARGETS // 2 + 1)
    page = text_of(await checked(it, cookie, json.dumps({"synchronizationRules": rules}).encode()))
    assert f"more than {MAX_TARGETS} targets" in page


def test_of_many_wrong_entries_one_is_told() -> None:
    with pytest.raises(MappingFileError) as refused:
        object_mappings(b'{"synchronizationRules":[' + b"1," * 10_000 + b"1]}")
    cause = refused.value.__context__
    assert isinstance(cause, ValidationError)
    assert cause.error_count() == 1


async def test_what_a_setup_page_computes_is_no_part_of_the_share_of_its_tenant(
    it: SetupService, cookie: str, tmp_path: Path
) -> None:
    token, share = it.issued[0].secret, it.endpoint._gate.shares.work(it.issued[0].tenant.id)._share
    await it.scim("GET", "Users", token)
    left = share._left()
    await it.page(cookie)
    names = [f"unlikely{number}" for number in range(20)]
    await checked(
        it, cookie, written(tmp_path / "x.json", objects(USER, [attribute(name) for name in names])).read_bytes()
    )
    assert share._left() == left
    assert (await it.users(token)).status == 200


async def test_of_one_page_one_file_is_looked_at_at_a_time(
    it: SetupService, cookie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await it.opened(await it.customer("Fabrikam"))
    content = good_mapping(tmp_path).read_bytes()
    go_on, looked_at = asyncio.Event(), asyncio.Event()
    run = Work.run

    async def slow(self: Work, units: int, what: str, function: Callable[[], object]) -> object:
        if what == "a mapping":
            looked_at.set()
            await go_on.wait()
        return await run(self, units, what, function)

    monkeypatch.setattr(Work, "run", slow)
    first = asyncio.create_task(it.upload(cookie, content))
    await looked_at.wait()
    second = await it.upload(cookie, content)
    assert (second.status, int(second.headers["Retry-After"]) > 0) == (429, True)
    assert "Another file is being checked for this page" in second.body.decode()
    go_on.set()
    assert (await it.upload(other, content)).status == 200
    assert (await first).status == 200
    assert (await it.upload(cookie, content)).status == 200


async def test_files_of_one_page_are_bounded_in_time(it: SetupService, cookie: str, tmp_path: Path) -> None:
    content, (rate, burst) = good_mapping(tmp_path).read_bytes(), UPLOADS
    answers = [await it.upload(cookie, content) for _ in range(burst + 1)]
    assert [answer.status for answer in answers] == [200] * burst + [429]
    assert answers[-1].headers["Retry-After"] == str(round(1 / rate))
    assert "Too many files came from this page" in answers[-1].body.decode()
    assert "Connect Contoso Ltd" in await it.page(cookie)
    it.pass_time(1 / rate)
    assert (await it.upload(cookie, content)).status == 200


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "application/json"}, b"{}", 415),
        ({"content-type": "multipart/form-data"}, form_of(b"{}"), 415),
        ({}, b"", 400),
        ({}, b"{}", 400),
        ({}, form_of(b"{}")[:-8], 400),
        ({}, form_of(b"{}") * 2, 400),
        ({}, form_of(b"{}", "x" * MAX_PART_HEADER_BYTES), 400),
        ({"transfer-encoding": "chunked"}, b"", 411),
        ({"content-type": f'multipart/form-data; boundary="{BOUNDARY}"'}, form_of(b"{}"), 200),
    ],
)
async def test_what_is_not_one_file_in_a_form_is_refused(
    it: SetupService, cookie: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    usual = {"sec-fetch-site": "same-origin", "content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = await it.send("POST", "/setup/mapping", body=body, headers={**usual, "cookie": cookie, **headers})
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_without_a_session_nothing_is_read(it: SetupService, tmp_path: Path) -> None:
    await it.customer()
    answer = await it.upload(f"{COOKIE}=contoso-ltd.x", good_mapping(tmp_path).read_bytes())
    assert answer.status == 403
    assert "Open your setup page" in answer.body.decode()
    assert "stored as sent" not in answer.body.decode()


async def test_nothing_of_the_file_is_kept(
    it: SetupService, cookie: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path / "schema.json", objects(USER, [attribute("hildegard")]))
    assert "hildegard" in await checked(it, cookie, file.read_bytes())
    await it.settle()
    stored = str(it.storage.rows._partitions)  # type: ignore[attr-defined]
    logged = [json.dumps(vars(item), default=str) for item in caplog.records]
    assert "hildegard" not in f"{stored} {caplog.text} {logged}"
