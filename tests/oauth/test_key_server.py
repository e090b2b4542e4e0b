"""The key server that answers, does not, or answers something else; and keys that rotate (entra.md section 2.3)."""

import asyncio
from collections.abc import Callable

import jwt
import pytest

from scim_core.access.oauth import key_server
from scim_core.registry import CredentialKind
from tests.oauth.test_client_assertions import Asking
from tests.oauth.test_token_endpoint import is_error
from tests.tenancy import KEYS, Misbehaving, Service

BAD = ["down", "redirecting", "HTML", "HTML called JSON", "10 MB", "no key set", "no usable key", "slow"]
PATIENCE_SECONDS = 60


@pytest.fixture
async def ask(service: Service, entra: Misbehaving) -> Asking:
    federated = await service.tenant("Northwind", CredentialKind.FEDERATION)
    return Asking(service, entra, federated)


@pytest.fixture
def behave(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The key server behaves like this from now on. For a slow one nobody waits long: it never answers."""

    def behave(behaviour: str) -> None:
        ask.entra.behaviour = behaviour
        monkeypatch.setattr(key_server, "FETCH_SECONDS", 0.01 if behaviour == "slow" else PATIENCE_SECONDS)

    behave("good")
    return behave


@pytest.mark.parametrize("behaviour", BAD)
async def test_case_14_an_unknown_key_is_refused_while_the_server_misbehaves(
    ask: Asking, behave: Callable[[str], None], behaviour: str
) -> None:
    behave(behaviour)
    assert is_error(await ask(), 401, "invalid_client")
    behave("good")
    ask.service.pass_time(31)
    assert (await ask()).status == 200


@pytest.mark.parametrize("behaviour", BAD)
async def test_known_keys_are_used_while_the_server_misbehaves_for_a_day(
    ask: Asking, behave: Callable[[str], None], behaviour: str
) -> None:
    assert (await ask()).status == 200
    behave(behaviour)
    for _ in range(23):
        ask.service.pass_time(3600)
        assert (await ask()).status == 200
    ask.service.pass_time(3600)
    assert is_error(await ask(), 401, "invalid_client")


async def test_a_server_that_is_gone_is_one_that_is_down(ask: Asking) -> None:
    assert (await ask()).status == 200
    await ask.entra.stop()
    ask.service.pass_time(3601)
    assert (await ask()).status == 200


async def test_no_redirect_is_followed(ask: Asking) -> None:
    ask.entra.behaviour = "redirecting"
    await ask()
    assert ask.entra.requests == 1


async def test_keys_are_fetched_once_and_again_after_an_hour(ask: Asking) -> None:
    for _ in range(3):
        assert (await ask()).status == 200
    assert ask.entra.requests == 1
    ask.service.pass_time(3601)
    assert (await ask()).status == 200
    assert ask.entra.requests == 2


async def test_a_new_key_is_fetched_when_it_is_first_used(ask: Asking) -> None:
    assert (await ask()).status == 200
    ask.entra.keys.append(KEYS[1])
    ask.service.pass_time(31)
    assert (await ask()).status == 200
    assert ask.entra.requests == 2


async def test_a_withdrawn_key_ends_with_the_next_fetch(ask: Asking) -> None:
    assertion = ask.assertion()
    assert (await ask()).status == 200
    ask.entra.keys = [KEYS[1]]
    ask.service.pass_time(3601)
    assert is_error(await ask(assertion), 401, "invalid_client")


async def test_made_up_key_ids_do_not_hammer_the_server(ask: Asking) -> None:
    assert (await ask()).status == 200
    for number in range(5):
        forged = ask.entra.sign({"tid": "x"}, kid=f"made-up-{number}")
        assert (await ask(forged)).status == 401
        claims = {"iss": f"{ask.entra.url}/x", "tid": "x"}
        assert (await ask(ask.entra.sign(claims, kid=f"made-up-{number}"))).status == 401
    for number in range(5):
        header = ask.assertion()
        forged = ask.entra.sign(_claims(header), kid=f"made-up-{number}")
        assert (await ask(forged)).status == 401
    assert ask.entra.requests == 1, "within the cooldown nothing is fetched"
    ask.service.pass_time(31)
    for number in range(5):
        assert (await ask(ask.entra.sign(_claims(ask.assertion()), kid=f"again-{number}"))).status == 401
    assert ask.entra.requests == 2


async def test_many_at_once_fetch_once(ask: Asking) -> None:
    answers = await asyncio.gather(*(ask() for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert ask.entra.requests == 1


async def test_nobody_waits_for_a_slow_server_while_a_key_is_known(ask: Asking) -> None:
    assert (await ask()).status == 200
    ask.entra.behaviour = "slow"
    ask.service.pass_time(3601)
    first = asyncio.create_task(ask())
    await ask.entra.asked.wait()
    assert (await ask()).status == 200
    assert not first.done()
    await ask.entra.stop()
    assert (await first).status == 200


def _claims(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})
