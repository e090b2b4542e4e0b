"""Queries of alerts and of the workbook rest on names and texts of the code: what they look for is there."""

import json
import logging
import re

import pytest

from scim_core.access.audit import AuditEvent
from scim_core.access.auth_failures import RATE_LIMITED
from scim_core.admin.doctor import app, logs
from scim_core.counted_log import CountedLog
from scim_core.endpoint import mass_change_alarms
from scim_core.endpoint.routes import ROOT_ROUTES, ROUTES
from scim_core.feed.mass_changes import MassChanges
from scim_core.log_fields import FieldsInText
from scim_core.mass_change_settings import MassChangeSettings
from scim_core.storage.feed_port import LossCount, Losses
from tests.infra import foretold
from tests.memory_rows import memory_storage
from tests.running import ROOT
from tests.scim import Client, Clock
from tests.tenancy import Service, document, settings

FUNCTIONS = (ROOT / "function_app.py").read_text()


def queries() -> list[str]:
    """All of them, of the alerts and of the workbook."""
    return [*foretold.queries("everything").values(), *foretold.workbook_queries("everything").values()]


def test_the_workbook_is_one() -> None:
    assert foretold.workbook("everything")["version"] == "Notebook/1.0"
    assert any("by tenant" in query for query in queries())


def captured(pattern: str, content: str) -> str:
    """What the group of the pattern matches."""
    matched = re.search(pattern, content)
    assert matched is not None
    return matched[1]


def test_functions_that_queries_name_exist() -> None:
    named = {
        name
        for query in queries()
        for part in re.findall(r"\bName !?(?:in \(|== )([^)|]+)", query)
        for name in re.findall(r"[\"'](\w+)[\"']", part)
    }

    assert named == {"sweep", "feeds", "backup", "health"}
    for name in named:
        assert f'"{name}"' in FUNCTIONS


def test_functions_that_the_doctor_looks_for_exist() -> None:
    for name in (*app.NEEDED, app.BACKUP):
        assert f'"{name}"' in FUNCTIONS
    assert set(re.findall(r'"(\w+)"', logs.TIMERS.partition("Name in")[2].partition(")")[0])) == {"sweep", "backup"}


async def test_a_change_of_a_resource_that_is_gone_is_what_the_doctor_counts(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(FieldsInText)
    gone = "018f0000-0000-7000-8000-000000000001"
    try:
        with caplog.at_level(logging.INFO, "scim_core"):
            await client.patch(f"/Users/{gone}", {"op": "replace", "path": "active", "value": False})
            await client.put(f"/Users/{gone}", {"userName": "ann@example.com"})
    finally:
        logging.setLogRecordFactory(before)
    said = [record.getMessage() for record in caplog.records if "-> 404 {" in record.getMessage()]
    fields = [json.loads(captured(r"(\{.*\})$", text)) for text in said]
    assert [item["resource"] for item in fields] == [gone, gone]
    assert {item["operation"] for item in fields} == set(re.findall(r'"(patch|replace)"', logs.GONE))
    assert all(item["tenant"] == "default" for item in fields)


async def test_the_text_of_a_request_is_what_the_workbook_parses(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(FieldsInText)
    try:
        with caplog.at_level(logging.INFO, "scim_core"):
            await client.user("ann@example.com")
    finally:
        logging.setLogRecordFactory(before)
    [said] = [record.getMessage() for record in caplog.records if " -> " in record.getMessage()]
    requests = foretold.workbook_queries("everything")["requests-per-tenant"]
    matched = captured(r"matches regex @'([^']+)'", requests)
    extracted = captured(r"extract\(@'([^']+)'", requests)

    assert re.search(matched, said)
    fields = json.loads(captured(extracted, said))
    assert (fields["tenant"], fields["operation"], fields["status"]) == ("default", "create", 201)


async def test_the_fields_that_the_operators_page_asks_for_are_in_the_line_of_a_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    page = "".join(item.read_text() for item in (ROOT / "docs" / "operate").iterdir())
    service = Service(settings())
    issued = await service.tenant("Contoso")
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(FieldsInText)
    try:
        with caplog.at_level(logging.INFO, "scim_core"):
            user = document(await service.send("POST", "/scim/v2/Users", issued.secret, {"userName": "ann"}))
            await service.send("PUT", f"/scim/v2/Users/{user['id']}", issued.secret, {"userName": "bob"})
    finally:
        logging.setLogRecordFactory(before)
    said = [record.getMessage() for record in caplog.records if " -> " in record.getMessage()][-1]
    [parsed] = set(re.findall(r'parse_json\(extract\(@"([^"]+)", 1, Message\)\)', page))
    [matched] = set(re.findall(r'Message matches regex @"([^"]+)"', page))
    assert re.search(matched, said)
    fields = json.loads(captured(parsed, said))

    asked = set(re.findall(r"fields\.(\w+)", page))
    assert {"resource", "changed", "result", "version_before", "version_after", "credential_id"} <= asked
    assert asked <= fields.keys()
    assert (fields["resource"], fields["changed"], fields["result"]) == (user["id"], ["userName"], "changed")
    assert fields["credential_id"] == issued.credential.id


def test_the_texts_of_the_timers_are_what_queries_look_for() -> None:
    looked_for = {start for query in queries() for start in re.findall(r'(?<!!)startswith "([^"]+)"', query)}

    assert looked_for == {
        *("sweep: ", "hooks: ", "mass change: ", "audit event=rate-limited ", "the app does not serve: "),
        *("a credential ends soon ", "attributes that no schema declares were ignored "),
    }
    assert '"a credential ends soon"' in (ROOT / "scim_core" / "access" / "ending.py").read_text()
    ignored = (ROOT / "scim_core" / "service" / "ignored_input.py").read_text()
    assert '"attributes that no schema declares were ignored"' in ignored
    assert '"the app does not serve: %s"' in (ROOT / "scim_core" / "endpoint" / "unconfigured.py").read_text()
    assert '"sweep: %s finished, %s left"' in (ROOT / "scim_core" / "endpoint" / "endpoint.py").read_text()
    assert "failed, %s blocked, %s dead" in (ROOT / "scim_core" / "endpoint" / "hook_turns.py").read_text()
    assert '"mass change: %s active users' in (ROOT / "scim_core" / "endpoint" / "mass_change_alarms.py").read_text()
    assert '"backup: %s rows"' in (ROOT / "scim_core" / "storage" / "maintenance" / "backup.py").read_text()


async def test_the_text_of_a_mass_change_is_what_the_alert_reads(caplog: pytest.LogCaptureFixture) -> None:
    [query] = [item for item in queries() if "mass change" in item]

    async def holds(_: str) -> bool:
        return False

    storage, clock = memory_storage(), Clock()
    seen = MassChanges(storage, ["User"], MassChangeSettings(users=3), holds, clock)
    losses = Losses((LossCount("2026-11-23T09:05:00.000000Z", "sync of Contoso. Further 12ab", 4),))
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(FieldsInText)
    try:
        await mass_change_alarms.tell(seen, {"contoso": losses})
    finally:
        logging.setLogRecordFactory(before)
    [said] = [record.getMessage() for record in caplog.records]

    assert said.startswith(captured('startswith "([^"]+)"', query))
    patterns = re.findall(r'extract\("([^"]+)"', query)
    assert [captured(pattern, said) for pattern in patterns] == ["4", "contoso", "sync of Contoso. Further 12ab"]


def test_what_a_program_of_the_operator_reads_is_no_contact_of_a_tenant() -> None:
    [query] = [item for item in queries() if "make_set(hour)" in item]
    left_out = tuple(re.findall(r'operation !startswith "(\w+)"', query))
    operations = {route.handler for route in ROOT_ROUTES if route.segments[0] in ("feed", "log")}
    assert operations
    assert all(name.startswith(left_out) for name in operations)
    assert not [route.handler for route in ROUTES if route.handler.startswith(left_out)]


def test_the_text_of_a_refusal_is_what_the_alert_counts(caplog: pytest.LogCaptureFixture) -> None:
    [query] = [item for item in queries() if "rate-limited" in item]
    counted = CountedLog(lambda: 0.0)
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(FieldsInText)
    try:
        for _ in range(10):
            AuditEvent(RATE_LIMITED, "none", "c", tenant="contoso", source="192.0.2.1").note(counted)
    finally:
        logging.setLogRecordFactory(before)
    said = [record.getMessage() for record in caplog.records]

    assert all(text.startswith(captured('startswith "([^"]+)"', query)) for text in said)
    assert [captured(captured(r'extract\("([^"]+)"', query), text) for text in said] == ["1", "9"]
