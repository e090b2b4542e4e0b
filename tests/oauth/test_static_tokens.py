"""Static bearer tokens of many tenants: what opens, what does not, and what an administrator is told."""

import re
from hashlib import sha256

import pytest

from scim_core.access.credential_plans import Issued
from scim_core.access.token_format import Form, form, new_secret, new_token
from scim_core.registry import CredentialKind
from scim_core.storage.port import StorageBusy
from tests.tenancy import Service, document, settings
from tests.transcript_of_registry import look_ups


def test_a_token_has_a_prefix_256_random_bits_and_a_checksum() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"scim_[0-9A-Za-z]{49}", token) for token in tokens)
    assert all(re.fullmatch(r"scim_secret_[0-9A-Za-z]{49}", new_secret()) for _ in range(10))
    assert {form(token) for token in tokens} == {Form.OURS}


@pytest.mark.parametrize("mistake", ["wrong", "missing", "doubled", "swapped", "cut", "lower", "spaced"])
def test_a_typing_error_is_told_from_an_unknown_token(mistake: str) -> None:
    token = new_token()
    place = next(i for i in range(20, 40) if token[i] != token[i + 1])
    mistyped = {
        "wrong": token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :],
        "missing": token[:place] + token[place + 1 :],
        "doubled": token[:place] + token[place] + token[place:],
        "swapped": token[:place] + token[place + 1] + token[place] + token[place + 2 :],
        "cut": token[:-1],
        "lower": token.lower(),
        "spaced": token[:place] + " " + token[place:],
    }[mistake]
    assert form(mistyped) is Form.MISTYPED


async def test_a_token_opens_its_own_tenant(service: Service, contoso: Issued) -> None:
    fabrikam = await service.tenant("Fabrikam")
    created = await service.send("POST", "/scim/v2/Users", contoso.secret, {"userName": "ann"})
    assert created.status == 201
    assert document(await service.users(contoso.secret))["totalResults"] == 1
    assert document(await service.users(fabrikam.secret))["totalResults"] == 0


async def test_several_tokens_are_good_at_once_and_each_ends_alone(service: Service, contoso: Issued) -> None:
    second = await service.credential("contoso", CredentialKind.TOKEN)
    assert [(await service.users(item.secret)).status for item in (contoso, second)] == [200, 200]
    await service.administration.revoke("contoso", contoso.credential.id)
    service.pass_time(61)
    assert [(await service.users(item.secret)).status for item in (contoso, second)] == [401, 200]


@pytest.mark.parametrize("end", ["revoked", "removed", "expired"])
async def test_a_token_that_has_ended_is_refused_and_the_detail_says_how(
    service: Service, contoso: Issued, end: str
) -> None:
    assert (await service.users(contoso.secret)).status == 200
    match end:
        case "revoked":
            await service.administration.revoke("contoso", contoso.credential.id)
        case "removed":
            await service.administration.remove("contoso", contoso.credential.id)
        case "expired":
            service.clock.advance(days=366)
    service.pass_time(61)
    answer = await service.users(contoso.secret)
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    expected = {"revoked": "was revoked on", "removed": "not known here", "expired": "expired on"}
    assert expected[end] in document(answer)["detail"]


async def test_revocation_is_honoured_within_a_minute_and_until_then_nothing_is_asked(
    service: Service, contoso: Issued
) -> None:
    assert (await service.users(contoso.secret)).status == 200
    await service.administration.revoke("contoso", contoso.credential.id)
    service.pass_time(59)
    assert (await service.users(contoso.secret)).status == 200
    service.pass_time(2)
    assert (await service.users(contoso.secret)).status == 401


@pytest.mark.usefixtures("contoso")
@pytest.mark.parametrize(
    ("token", "said"),
    [
        pytest.param(new_token(), "not known here", id="of nobody"),
        pytest.param(new_token()[:-1], "mistyped", id="cut off"),
        pytest.param(new_secret(), "not known here", id="a secret"),
        ("b6Xk0y6mQ8rW2nV5sJ1tZ7cL4hD9fG3p", "not known here"),
        ("x" * 100_000, "too long"),
        ("scim_", "mistyped"),
        ("Ü", "not known here"),
        ("\ud800", "not known here"),
        ("a.b.c", "not known here"),
        ("ey.ey.ey", "no JSON Web Token"),
    ],
)
async def test_what_was_never_issued_is_401_with_what_to_do(service: Service, token: str, said: str) -> None:
    answer = await service.users(token)
    assert answer.status == 401
    assert said in document(answer)["detail"]
    assert len(token) < 9 or token.encode("utf-8", "replace") not in answer.body


@pytest.mark.usefixtures("contoso")
@pytest.mark.parametrize(
    "token", [pytest.param(new_token()[:-1], id="cut off"), "x" * 100_000, "foreign", "ey.ey.ey", ""]
)
async def test_what_cannot_be_a_token_of_ours_costs_no_look_up(service: Service, token: str) -> None:
    with look_ups(service) as seen:
        await service.users(token)
    assert seen == []


async def test_two_authorization_headers_are_refused(service: Service, contoso: Issued) -> None:
    joined = f"Bearer {contoso.secret},Bearer {contoso.secret}"
    with look_ups(service) as seen:
        answer = await service.send("GET", "/scim/v2/Users", headers={"authorization": joined})
    assert answer.status == 400
    assert 'error="invalid_request"' in answer.headers["WWW-Authenticate"]
    assert "two Authorization headers" in document(answer)["detail"]
    assert seen == []


async def test_a_warm_request_asks_the_registry_nothing(service: Service, contoso: Issued) -> None:
    await service.users(contoso.secret)
    with look_ups(service) as seen:
        for _ in range(10):
            await service.users(contoso.secret)
    assert seen == []


async def test_unknown_and_known_take_the_same_look_ups(service: Service, contoso: Issued) -> None:
    with look_ups(service) as known:
        await service.users(contoso.secret)
    service.restart()
    with look_ups(service) as unknown:
        await service.users(new_token())
    without_use = [call for call in known if call != "used"]
    assert without_use == unknown == ["find", "load"]


@pytest.mark.usefixtures("contoso")
async def test_an_unknown_token_is_looked_up_once_a_minute(service: Service) -> None:
    token = new_token()
    with look_ups(service) as seen:
        for _ in range(5):
            await service.users(token)
    assert seen == ["find", "load"]


async def test_a_credential_made_just_now_is_good_at_once_where_it_was_not_tried_before(
    service: Service, contoso: Issued
) -> None:
    await service.users(contoso.secret)
    second = await service.credential("contoso", CredentialKind.TOKEN)
    service.pass_time(61)
    assert (await service.users(second.secret)).status == 200


async def test_the_last_use_is_noted_once_in_ten_minutes(service: Service, contoso: Issued) -> None:
    noted = []
    for minutes in (0, 9, 1, 9, 60, 0):
        service.pass_time(60 * minutes)
        with look_ups(service) as seen:
            for _ in range(3):
                await service.users(contoso.secret)
        noted.append(seen.count("used"))
    assert noted == [1, 0, 1, 0, 1, 0]
    [credential] = (await service.administration.tenant("contoso")).credentials
    assert credential.last_used.startswith("2026-11-23T10:24")


async def test_instances_note_a_use_together_once_in_ten_minutes(service: Service, contoso: Issued) -> None:
    """Another instance knows within a minute what the first one has noted."""
    await service.users(contoso.secret)
    service.pass_time(9 * 60)
    service.restart()
    with look_ups(service) as seen:
        await service.users(contoso.secret)
    assert "used" not in seen


async def test_a_day_that_a_version_before_has_noted_is_read(service: Service, contoso: Issued) -> None:
    await service.registry.used("contoso", contoso.credential.id, "2026-11-23", "192.0.2.1")
    with look_ups(service) as seen:
        await service.users(contoso.secret)
    assert seen.count("used") == 1


async def test_a_use_that_cannot_be_noted_harms_no_request(
    service: Service, contoso: Issued, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise StorageBusy("throttled")

    monkeypatch.setattr(service.registry, "used", fails)
    assert (await service.users(contoso.secret)).status == 200
    assert "was not noted" in caplog.text


@pytest.mark.usefixtures("service")
async def test_the_setting_of_a_single_tenant_works_beside_the_registry() -> None:
    both = Service(settings(SCIM_TOKEN_SHA256=sha256(b"of old").hexdigest()))
    assert (await both.users("of old")).status == 200
    await both.administration.create_tenant("Default")
    await both.administration.suspend("default")
    both.pass_time(61)
    assert (await both.users("of old")).status == 403


async def test_the_secret_is_nowhere_in_what_is_stored(service: Service, contoso: Issued) -> None:
    assert contoso.secret not in repr(await service.administration.tenants())
