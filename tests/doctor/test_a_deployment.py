"""The doctor's whole look at a deployment, its exit codes, and what it says to scripts."""

import json

import pytest

from scim_core.admin.probe import WrongAnswer
from scim_core.settings import SettingsError
from tests.doctor.azure import SUBSCRIPTION
from tests.doctor.conftest import Doctor
from tests.scim import TOKEN

ALL = [
    *("deployment", "app", "settings", "functions", "roles", "table", "refusals", "timers", "hooks", "alerts"),
    "links of Entra",
    *("health", "TLS", "without a credential", "with a made-up token", "clock", "ServiceProviderConfig", "searches"),
]


def checks(lines: list[str], mark: str = "") -> list[str]:
    """The names of the checks with this mark."""
    return [line[7:].partition(":")[0] for line in lines if not line.startswith("  ") and line.startswith(mark)]


async def test_a_deployment_in_which_all_is_well_has_no_finding(doctor: Doctor) -> None:
    code, lines = await doctor.said(AZURE_SUBSCRIPTION_ID=SUBSCRIPTION)
    assert (code, checks(lines), checks(lines, "ok")) == (0, ALL, ALL[:-1])
    assert lines[-1] == "-      searches: no credential was given: --credential-from names the variable that holds one"


async def test_nothing_is_changed(doctor: Doctor) -> None:
    await doctor.said()
    written = [call for call in doctor.azure.calls if call.startswith(("PUT", "PATCH", "DELETE", "POST"))]
    assert [call.rpartition("/sites/")[2] for call in written] == ["func-scim-x/config/appsettings/list"]
    assert all(sent.startswith("GET ") for sent in doctor.service.sent)


async def test_with_a_credential_the_part_of_the_smoke_test_that_reads_is_run(doctor: Doctor) -> None:
    code, lines = await doctor.said("--credential-from", "MINE", MINE=TOKEN)
    assert (code, lines[-1]) == (0, "ok     searches: 2 steps, and nothing was changed")
    assert all(sent.startswith("GET ") for sent in doctor.service.sent)
    code, lines = await doctor.said("--credential-from", "MINE", MINE="another")
    assert code == 1
    assert lines[-2].startswith("WRONG  searches: Test Connection: The credential was refused (401)")
    assert TOKEN not in "".join(lines)


async def test_a_variable_without_a_credential_is_named(doctor: Doctor) -> None:
    with pytest.raises(SettingsError, match="no credential in MINE"):
        await doctor.said("--credential-from", "MINE")


async def test_scripts_get_json(doctor: Doctor) -> None:
    doctor.azure.tables.clear()
    code, lines = await doctor.said(before=("--json",))
    said = json.loads("\n".join(lines))
    assert (code, said["healthy"]) == (1, False)
    assert [item["check"] for item in said["findings"]] == ALL
    [wrong] = [item for item in said["findings"] if item["verdict"] == "wrong"]
    assert (wrong["check"], wrong["said"]) == ("table", "The storage account stscimx has no table scim.")
    assert "tableName" in wrong["do"]
    assert {item["do"] for item in said["findings"] if item["verdict"] == "good"} == {None}


async def test_what_cannot_be_looked_at_is_no_good_sign(doctor: Doctor) -> None:
    """Exit code 2: nothing is known to be wrong, but a role of the operator's own is missing."""
    doctor.azure.denied["/functions"] = 403
    code, lines = await doctor.said()
    assert (code, checks(lines, "?")) == (2, ["functions"])
    place = lines.index(next(line for line in lines if line.startswith("?")))
    assert "Azure answered 403 to" in lines[place]
    assert "The client 'ann@example.com' may not do this." in lines[place]
    assert "Reader on the resource group" in lines[place + 1]
    doctor.azure.tables.clear()
    assert (await doctor.said())[0] == 1


async def test_without_a_login_only_what_is_outside_is_looked_at(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(scope: str) -> str:
        return f"expired, {scope}"

    monkeypatch.setattr(doctor.azure, "token", none)
    code, lines = await doctor.said()
    assert (code, checks(lines)) == (2, ["deployment"])
    assert lines[1].strip().startswith("Sign in: az login")
    code, lines = await doctor.said(before=("--url", doctor.service.url))
    assert (code, checks(lines, "ok")) == (2, ALL[11:-1])


async def test_a_group_without_our_app_is_said(doctor: Doctor) -> None:
    doctor.azure.site["tags"] = {}
    code, lines = await doctor.said()
    assert (code, checks(lines)) == (2, ["deployment"])
    assert "has 0 function apps with the tag azd-service-name=api" in lines[0]
    assert "AZURE_RESOURCE_GROUP" in lines[1]


async def test_of_several_subscriptions_one_must_be_named(doctor: Doctor) -> None:
    doctor.azure.subscriptions.append("another")
    code, lines = await doctor.said()
    assert (code, lines[0]) == (2, "?      deployment: You see 2 subscriptions.")
    assert (await doctor.said("--subscription", SUBSCRIPTION))[0] == 0


async def test_lists_of_several_pages_are_read_to_their_end(doctor: Doctor) -> None:
    doctor.azure.page = 1
    assert (await doctor.said())[0] == 0


async def test_where_nothing_answers_it_is_said_once(doctor: Doctor) -> None:
    doctor.service.altered["/health"] = WrongAnswer("Nothing answers at the host.")
    code, lines = await doctor.said("--credential-from", "MINE", MINE=TOKEN)
    assert (code, checks(lines, "WRONG")) == (1, ["health"])
    assert checks(lines, "-") == ALL[13:]
