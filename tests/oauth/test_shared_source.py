"""A good credential passes, whatever others do at its address: Entra serves many customers from the same few ones."""

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from scim_core.access.credential_plans import Issued
from scim_core.access.tenant_cache import CACHE_SECONDS, GOOD_SECONDS
from scim_core.access.token_format import new_identifier, new_secret, new_token
from scim_core.registry import CredentialKind
from tests.oauth.test_entra_tokens import sent
from tests.tenancy import Misbehaving, Service, assertion_fields
from tests.transcript_of_registry import look_ups

A_SECOND = 23
"""Forged tokens of one address, as in the attack of the review."""

SECONDS = 75

LOOK_UPS_OF_75_SECONDS = 50 + 5 * SECONDS

type Ask = Callable[[Service], Awaitable[int]]


async def forged(service: Service) -> None:
    await service.users(new_token())


async def forged_client(service: Service) -> None:
    await service.ask_for_token(basic=(f"scim-{new_identifier()}", new_secret()))


async def attacked(service: Service, forge: Callable[[Service], Awaitable[None]], ask: Ask) -> set[int]:
    """The statuses of a good credential, asked once a second, while its address sends forged ones."""
    statuses = set()
    for _ in range(SECONDS):
        for _ in range(A_SECOND):
            await forge(service)
        statuses.add(await ask(service))
        service.pass_time(1)
    return statuses


KINDS = ("token", "access token", "entra", "secret", "federation")


async def asking(kind: str, service: Service, entra: Misbehaving) -> Ask:
    """Sends a request with a good credential of this kind; the answer's status."""
    name = f"Customer with {kind}"
    if kind == "token":
        token = (await service.tenant(name)).secret
    elif kind == "entra":
        await service.tenant(name, CredentialKind.ENTRA)
        token = ""
    elif kind == "federation":
        federation = await service.tenant(name, CredentialKind.FEDERATION)
        subject, audience = federation.credential.subject, federation.credential.audience
    else:
        client = await service.tenant(name, CredentialKind.SECRET)
        pair = (client.credential.client_id, client.secret)
        token = await service.access_token(client)

    async def asked(service: Service) -> int:
        match kind:
            case "secret":
                return (await service.ask_for_token(basic=pair)).status
            case "federation":
                now = service.clock().timestamp()
                assertion = entra.assertion(federation.credential.entra_tenant, subject, audience, now)
                fields = assertion_fields(federation.credential.client_id, assertion)
                return (await service.ask_for_token(fields)).status
        return (await service.users(token or sent(service, entra))).status

    return asked


@pytest.mark.parametrize("forge", [forged, forged_client])
async def test_a_known_credential_passes_while_its_address_is_attacked(
    service: Service, entra: Misbehaving, forge: Callable[[Service], Awaitable[None]]
) -> None:
    """One of each kind, as customers share the address."""
    asks = [await asking(kind, service, entra) for kind in KINDS]

    async def ask_each(service: Service) -> int:
        return max([await ask(service) for ask in asks])

    assert await ask_each(service) == 200
    assert await attacked(service, forge, ask_each) == {200}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("forge", [forged, forged_client])
async def test_a_credential_that_the_instance_has_never_seen_passes_as_well(
    service: Service, entra: Misbehaving, kind: str, forge: Callable[[Service], Awaitable[None]]
) -> None:
    ask = await asking(kind, service, entra)
    service.restart()
    for _ in range(A_SECOND * SECONDS):
        await forge(service)
    assert await ask(service) == 200
    service.pass_time(CACHE_SECONDS + 1)
    assert await attacked(service, forge, ask) == {200}


async def test_what_strangers_cause_in_the_registry_is_bounded(service: Service, contoso: Issued) -> None:
    service.restart()
    with look_ups(service) as calls:
        assert await attacked(service, forged, lambda service: status(service, contoso.secret)) == {200}
    of_contoso = {"find": 2, "load": 2, "used": 1}
    made = Counter(calls) - Counter(of_contoso)
    assert made["find"] == made["load"] <= LOOK_UPS_OF_75_SECONDS
    assert made["pointers"] <= 2, "once a minute"


async def status(service: Service, token: str) -> int:
    return (await service.users(token)).status


async def test_a_good_credential_is_charged_nothing(service: Service) -> None:
    issued = [await service.tenant(f"Customer {number}") for number in range(120)]
    service.restart()
    with look_ups(service) as calls:
        assert {await status(service, item.secret) for item in issued} == {200}
        assert await status(service, new_token()) == 401
    assert calls.count("find") == 121, "the stranger's look-up was made: no permit was used up"


async def test_one_that_was_good_within_the_hour_needs_no_list(service: Service, contoso: Issued) -> None:
    assert await status(service, contoso.secret) == 200
    service.pass_time(GOOD_SECONDS - 10)
    for _ in range(100):
        await forged(service)
    with look_ups(service) as calls:
        assert await status(service, contoso.secret) == 200
    assert calls == ["find", "load", "used"]


async def test_a_credential_that_is_created_during_an_attack_is_good_within_a_minute(
    service: Service, contoso: Issued
) -> None:
    for _ in range(100):
        await forged(service)
    fabrikam = await service.tenant("Fabrikam")
    assert await status(service, fabrikam.secret) in (401, 429), "the list was read before"
    for _ in range(CACHE_SECONDS):
        for _ in range(A_SECOND):
            await forged(service)
        service.pass_time(1)
    assert await status(service, fabrikam.secret) == 200
    assert await status(service, contoso.secret) == 200


async def test_one_that_is_revoked_during_an_attack_ends_within_a_minute(service: Service, contoso: Issued) -> None:
    assert await status(service, contoso.secret) == 200
    await service.administration.remove("contoso", contoso.credential.id)
    for _ in range(CACHE_SECONDS):
        for _ in range(A_SECOND):
            await forged(service)
        service.pass_time(1)
    assert await status(service, contoso.secret) in (401, 429)


async def test_failures_beyond_the_limit_are_told_to_wait_and_good_ones_are_not(
    service: Service, contoso: Issued
) -> None:
    answers = [await status(service, new_token()) for _ in range(60)]
    assert answers == [401] * 30 + [429] * 30
    assert await status(service, contoso.secret) == 200
