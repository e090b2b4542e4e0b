"""What a request writes into the logs: the host's record of it and our line, and nothing that nobody reads.

Our lines are those of real requests. The columns around them are those of a row that Azure Monitor exported, with the
lengths that they have here. Azure's own count (_BilledSize) needs Azure: docs/operate/limits-and-costs.md asks.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra import costs
from scim_core.log_fields import FieldsInText
from scim_core.storage.tables import TableStorage
from tests.infra.foretold import the
from tests.running import ROOT
from tests.scim import Client, Clock, endpoint_over
from tests.tenancy import Service, document, settings

HOST: dict[str, Any] = json.loads((ROOT / "host.json").read_text())
LEVELS: dict[str, str] = HOST["logging"]["logLevel"]
APP: str = the("prod", "Microsoft.Web/sites")["name"]
TRACE = "0af7651916cd43dd8448eb211c80319c"
GUID = "7f2a1f6e-4c1b-4a25-8d7a-2f6d8f3f9f10"
EXPORTED = 1_082
"""_BilledSize of the row in newrelic/newrelic-azure-log-ingestion, azureLogIngestion/adapter/testdata.ts."""


def common(function: str) -> dict[str, Any]:
    """The columns that both tables have, as in that row. Our instances have names of 64 characters."""
    return {
        "time": "2026-11-26T22:41:14.1238381Z",
        "ResourceGUID": GUID,
        "AppRoleInstance": "a" * 64,
        "AppRoleName": APP,
        "ClientCity": "Amsterdam",
        "ClientCountryOrRegion": "Netherlands",
        "ClientIP": "0.0.0.0",
        "ClientStateOrProvince": "North Holland",
        "ClientType": "PC",
        "IKey": GUID,
        "OperationName": function,
        "OperationId": TRACE,
        "ParentId": TRACE,
        "SDKVersion": "azurefunctions: 4.1041.200.25360",
        "ItemCount": 1,
    }


def request_row(function: str, method: str, url: str, status: int) -> dict[str, Any]:
    """The host's own record of a request: category Host.Results."""
    return common(function) | {
        "Properties": {
            "LogLevel": "Information",
            "HttpPath": url.partition("?")[0].removeprefix(f"https://{APP}.azurewebsites.net"),
            "FunctionExecutionTimeMs": "44.7239",
            "TriggerReason": "This function was programmatically called via the host APIs.",
            "InvocationId": GUID,
            "ProcessId": "8912",
            "Category": "Host.Results",
            "HttpMethod": method,
            "FullName": f"Functions.{function}",
            "HostInstanceId": GUID,
        },
        "Id": TRACE[:16],
        "Name": function,
        "Url": url,
        "Success": True,
        "ResultCode": str(status),
        "DurationMs": 49.1593,
        "PerformanceBucket": "<250ms",
    }


def trace_row(function: str, category: str, message: str) -> dict[str, Any]:
    """A line of a function in AppTraces."""
    properties = {
        "LogLevel": "Information",
        "InvocationId": GUID,
        "ProcessId": "8912",
        "Category": category,
        "HostInstanceId": GUID,
    }
    return common(function) | {"Message": message, "SeverityLevel": 1, "Properties": properties}


def size(row: dict[str, Any]) -> int:
    return len(json.dumps(row, separators=(",", ":")))


@contextmanager
def said() -> Iterator[list[str]]:
    """What our loggers write, with fields in the text, as in the function app."""
    texts: list[str] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    handler, ours, before = Collecting(), logging.getLogger("scim_core"), logging.getLogRecordFactory()
    level = ours.level
    logging.setLogRecordFactory(FieldsInText)
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield texts
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)
        logging.setLogRecordFactory(before)


async def rows_of_a_cycle() -> dict[str, list[dict[str, Any]]]:
    """The rows of each kind of request that costs.py knows, sent in the way of Entra to a tenant of a registry."""
    service = Service(settings())
    issued = await service.tenant("Contoso Ltd")
    found: dict[str, list[dict[str, Any]]] = {}
    traced = {"traceparent": f"00-{TRACE}-{TRACE[:16]}-01"}

    async def send(kind: str, function: str, method: str, path: str, body: Any = None) -> Any:
        with said() as texts:
            answer = await service.send(method, f"/scim/v2{path}", issued.secret, body, traced)
        assert answer.status < 300, answer.body
        url = f"https://{APP}.azurewebsites.net/scim/v2{path}"
        rows = [trace_row(function, f"Function.{function}.User", text) for text in texts]
        found[kind] = [request_row(function, method, url, answer.status), *rows]
        return document(answer) if answer.body else None

    match = "/Users?filter=userName%20eq%20%22annabelle.longname@contoso.example.com%22"
    user = {
        "userName": "annabelle.longname@contoso.example.com",
        "externalId": "annabelle.longname",
        "active": True,
        "displayName": "Annabelle Longname",
        "name": {"givenName": "Annabelle", "familyName": "Longname"},
        "emails": [{"value": "annabelle.longname@contoso.example.com", "type": "work", "primary": True}],
    }
    await send("match that finds nobody", "users", "GET", match)
    ann = await send("POST user", "users", "POST", "/Users", user)
    await send("match that finds one", "users", "GET", match)
    await send("GET user", "users_with_id", "GET", f"/Users/{ann['id']}")
    patch = {"op": "replace", "path": "displayName", "value": "Ann Longname"}
    operations = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [patch]}
    await send("PATCH user", "users_with_id", "PATCH", f"/Users/{ann['id']}", operations)
    group = await send("POST group", "groups", "POST", "/Groups", {"displayName": "Everybody"})
    one = f"/Groups/{group['id']}"
    await send("GET group without members", "groups_with_id", "GET", f"{one}?excludedAttributes=members")
    added = {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}
    await send("PATCH group, one member", "groups_with_id", "PATCH", one, operations | {"Operations": [added]})
    await send("DELETE user in one group", "users_with_id", "DELETE", f"/Users/{ann['id']}")
    found.pop("POST group")
    return found


def test_the_rule_of_counting_fits_the_row_that_was_exported() -> None:
    """Within a tenth: its names and ids were blotted out, so they have the lengths of ours here."""
    row = request_row("users", "GET", f"https://{APP}.azurewebsites.net/scim/v2/Users", 200)

    assert size(row) == pytest.approx(EXPORTED, rel=0.15)


async def test_a_request_writes_two_rows_of_at_most_this_size() -> None:
    rows = await rows_of_a_cycle()
    sizes = {kind: [size(row) for row in found] for kind, found in rows.items()}

    assert sizes.keys() == costs.MEASURED.keys()
    assert all(len(found) == 2 for found in sizes.values()), "one record of the host, one line of ours"
    largest = max(sum(found) for found in sizes.values())
    assert largest <= costs.LOG_BYTES_OF_A_REQUEST < 1.1 * largest, sizes


def test_of_the_hosts_two_traces_of_an_execution_none_is_kept() -> None:
    """They say what AppRequests says: "Executing 'Functions.users' (...)" and "Executed 'Functions.users' (...)"."""
    assert LEVELS["default"] == "Warning"
    assert "Function" not in LEVELS
    assert {name for name in LEVELS if name.startswith("Function.")} == {
        name for name in LEVELS if re.fullmatch(r"Function\.\w+\.User", name)
    }
    why = "This function was programmatically called via the host APIs."
    executing = f"Executing 'Functions.users' (Reason='{why}', Id={GUID})"
    executed = f"Executed 'Functions.users' (Succeeded, Id={GUID}, Duration=44ms)"
    spared = sum(size(trace_row("users", "Function.users", text)) for text in (executed, executing))
    assert spared == pytest.approx(costs.LOG_BYTES_SPARED, rel=0.05)


def test_our_own_lines_are_kept_of_every_function() -> None:
    """The host takes no pattern: each function has its own category. A function that is missing here writes no line."""
    source = (ROOT / "function_app.py").read_text()
    routes = set(re.findall(r'^    "(\w+)": "', source, re.MULTILINE))
    timers = set(re.findall(r'@app\.function_name\("(\w+)"\)', source))

    assert {"users", "zz_fallback"} <= routes
    assert timers == {"sweep", "feeds", "backup"}
    assert {name for name, level in LEVELS.items() if level == "Information" and name.startswith("Function.")} == {
        f"Function.{name}.User" for name in routes | timers
    }


def test_requests_are_recorded_and_not_sampled() -> None:
    assert LEVELS["Host.Results"] == "Information"
    sampled = HOST["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    assert {"Request", "Trace", "Exception"} <= set(sampled)


def test_a_first_cycle_of_a_large_directory_fits_into_a_day() -> None:
    """With the host's two traces it would not: then logs and alerts would stop until the next day."""
    cap = the("prod", "Microsoft.OperationalInsights/workspaces")["properties"]["workspaceCapping"]["dailyQuotaGb"]
    requests = costs.first_cycle(100_000)
    gigabytes = requests * costs.LOG_BYTES_OF_A_REQUEST / 1e9

    assert gigabytes < cap < requests * (costs.LOG_BYTES_OF_A_REQUEST + costs.LOG_BYTES_SPARED) / 1e9
    page = (ROOT / "docs/operate/limits-and-costs.md").read_text()
    assert f"{requests / 1e6:.1f} million requests" in page
    assert f"{gigabytes:.1f} GB" in page


def test_what_is_not_read_in_plain_text_is_told_to_browsers() -> None:
    assert HOST["extensions"]["http"]["hsts"] == {"isEnabled": True, "maxAge": "365"}


def test_a_backup_may_run_for_hours() -> None:
    """The host's own limit on Flex Consumption is half an hour."""
    assert HOST["functionTimeout"] == "04:00:00"
    assert "four hours" in (ROOT / "docs/operate/backup.md").read_text()


async def test_a_search_that_reads_everything_says_so(storage: TableStorage, clock: Clock) -> None:
    client = Client(endpoint_over(storage, clock))
    with said() as texts:
        await client.get("/Users", filter='title eq "Dr"')
        await client.get("/Users", filter='userName eq "ann"')

    assert [text for text in texts if text.startswith("search plan")] == [
        'search plan {"tenant": "default", "resource_type": "User", "plan": "scan, superset"}'
    ]
