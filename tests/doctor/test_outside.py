"""What the doctor finds from outside, as a client sees the service."""

import json
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scim_core.admin.doctor.findings import CannotTell, Examined
from scim_core.admin.doctor.management import CLOUDS, Management
from scim_core.admin.doctor.outside import Outside
from scim_core.admin.probe import Answer
from tests.doctor.conftest import Doctor, Inside, listening
from tests.scim import Clock


def answer(status: int, document: Any = None, **headers: str) -> Answer:
    body = b"<html>" if document is None else json.dumps(document).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


async def test_a_storage_that_does_not_answer(doctor: Doctor) -> None:
    doctor.service.altered["/health"] = answer(
        200, {"status": "degraded", "version": "1", "storageAnswers": False}, date="Mon, 23 Nov 2026 09:05:00 GMT"
    )
    [wrong] = await doctor.wrong("health")
    assert "its storage does not answer" in wrong
    assert "See what is said of roles and table" in wrong


async def test_an_app_that_refuses_its_settings(doctor: Doctor) -> None:
    doctor.service.altered["/health"] = answer(503, {"status": "503"}, date="Mon, 23 Nov 2026 09:05:00 GMT")
    [wrong] = await doctor.wrong("health")
    assert "answers 503 to everything" in wrong
    assert "the app does not serve" in wrong


async def test_something_else_at_the_address(doctor: Doctor) -> None:
    doctor.service.altered["/health"] = answer(200, date="Mon, 23 Nov 2026 09:05:00 GMT")
    [wrong] = await doctor.wrong("health")
    assert "Something else than this service" in wrong


async def test_network_rules_that_shut_the_doctor_out_are_no_finding_about_the_service(doctor: Doctor) -> None:
    doctor.service.altered["/health"] = answer(403)
    code, lines = await doctor.said()
    assert code == 2
    assert "?      health: The network rules of the app let nobody in from here (403)." in lines
    assert sum("nothing answers: see what is said of health" in line for line in lines) == 4


async def test_a_directory_that_is_open_to_everybody(doctor: Doctor) -> None:
    doctor.service.altered["/scim/v2/Users"] = answer(200, {"Resources": []})
    code, lines = await doctor.said()
    assert code == 1
    wrong = [line for line in lines if line.startswith("WRONG")]
    assert [line.partition(": ")[0] for line in wrong] == ["WRONG  without a credential", "WRONG  with a made-up token"]
    assert all("open to everybody" in line for line in wrong)


async def test_a_refusal_that_is_not_ours(doctor: Doctor) -> None:
    doctor.service.altered["/scim/v2/Users"] = answer(401)
    code, lines = await doctor.said()
    assert code == 1
    assert sum("Turn off the platform's own authentication" in line for line in lines) == 2


async def test_a_registry_that_cannot_be_read(doctor: Doctor) -> None:
    """A token is looked up in the table, so this is seen without a credential."""
    send = doctor.service.send

    async def busy(method: str, url: str, headers: Any = None, body: bytes | None = None) -> Answer:
        if headers and "Authorization" in headers:
            return answer(503, {"status": "503"})
        return await send(method, url, headers, body)

    doctor.service.send = busy  # type: ignore[method-assign]
    [wrong] = await doctor.wrong("with a made-up token")
    assert "The registry of tenants cannot be read" in wrong


@pytest.mark.parametrize(("off", "found"), [(61, True), (-61, True), (59, False)])
async def test_a_clock_that_is_wrong(doctor: Doctor, off: int, found: bool) -> None:
    service = doctor.service
    theirs = service.clock() + timedelta(seconds=off)
    service.altered["/health"] = answer(
        200, {"version": "1", "storageAnswers": True}, date=f"{theirs:%a, %d %b %Y %H:%M:%S} GMT"
    )
    wrong = await doctor.wrong("clock")
    assert [("differ by" in item, "NTP" in item) for item in wrong] == [(True, True)] * found


async def test_an_answer_without_a_date(doctor: Doctor) -> None:
    doctor.service.altered["/health"] = answer(200, {"version": "1", "storageAnswers": True})
    code, lines = await doctor.said()
    assert (code, sum(line.startswith("?      clock: The answer has no Date.") for line in lines)) == (2, 1)


async def test_an_address_that_is_not_that_of_the_service(doctor: Doctor) -> None:
    found = json.loads((await doctor.service.send("GET", f"{doctor.service.url}/scim/v2/ServiceProviderConfig")).body)
    found["meta"]["location"] = "https://other.example.com/scim/v2/ServiceProviderConfig"
    doctor.service.altered["/scim/v2/ServiceProviderConfig"] = answer(200, found)
    [wrong] = await doctor.wrong("ServiceProviderConfig")
    assert wrong.startswith("The service takes https://other.example.com/scim/v2 for its address")
    assert "publicBaseUrl" in wrong


@pytest.mark.parametrize("altered", [answer(404), answer(200, {"schemas": ["another"]}), answer(200)])
async def test_a_configuration_that_is_none(doctor: Doctor, altered: Answer) -> None:
    doctor.service.altered["/scim/v2/ServiceProviderConfig"] = altered
    [wrong] = await doctor.wrong("ServiceProviderConfig")
    assert "A gateway must pass on the whole path" in wrong


async def examined(folder: Path, clock: Clock, *, trusts: bool = True, days: int = 90, **limits: Any) -> Examined:
    """What is said of a server with such a certificate and such limits."""
    async with listening(folder, days, **limits) as (url, trusting):
        outside = (
            Outside(url, Inside(url, clock), clock, trusting) if trusts else Outside(url, Inside(url, clock), clock)
        )
        return await outside.tls()


async def trouble(folder: Path, clock: Clock, **options: Any) -> str:
    """The one thing that is wrong with it, and what to do."""
    found = await examined(folder, clock, **options)
    assert isinstance(found, list)
    [wrong] = found
    return f"{wrong.said} -> {wrong.do}"


async def test_a_connection_as_entra_makes_it(tmp_path: Path, clock: Clock) -> None:
    said = await examined(tmp_path, clock)
    assert isinstance(said, str)
    assert said.startswith("TLS 1.2, ECDHE-ECDSA-AES")


async def test_a_certificate_that_is_not_trusted(tmp_path: Path, clock: Clock) -> None:
    wrong = await trouble(tmp_path, clock, trusts=False)
    assert "is not trusted" in wrong


async def test_a_server_that_speaks_only_tls_1_3_shuts_entra_out(tmp_path: Path, clock: Clock) -> None:
    wrong = await trouble(tmp_path, clock, minimum_version=ssl.TLSVersion.TLSv1_3)
    assert "takes no connection with TLS 1.2" in wrong
    assert "Entra does not speak TLS 1.3" in wrong


async def test_a_certificate_that_ends_soon(tmp_path: Path, clock: Clock) -> None:
    wrong = await trouble(tmp_path, clock, days=7)
    assert "ends on" in wrong
    assert "Renew it" in wrong


async def test_a_host_that_cannot_be_reached_directly_is_not_judged(clock: Clock) -> None:
    url = "https://127.0.0.1:1"
    with pytest.raises(CannotTell, match="There is no direct connection from here"):
        await Outside(url, Inside(url, clock), clock).tls()


async def test_each_token_goes_only_where_it_is_for(doctor: Doctor) -> None:
    """The stand-in refuses a token of another audience, so both services were asked with their own."""
    assert (await doctor.said())[0] == 0
    assert {cloud.management.partition("://")[0] for cloud in CLOUDS.values()} == {"https"}


async def test_a_list_that_goes_on_at_another_host_is_not_followed(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, sent = Management._call, []

    async def leading_away(self: Management, method: str, url: str, audience: str, body: Any = None) -> Any:
        sent.append(url)
        found = await call(self, method, url, audience, body)
        return found | {"nextLink": "https://evil.example.com/next"} if "/functions" in url else found

    monkeypatch.setattr(Management, "_call", leading_away)
    code, lines = await doctor.said()
    assert code == 2
    assert sum("goes on at another host" in line for line in lines) == 1
    assert not any("evil" in url for url in sent)
