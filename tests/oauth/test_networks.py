"""The networks that a credential may be used from, by each way in; and where a request comes from."""

import logging
from typing import Any

import pytest

from scim_core.access.credential_plans import Issued, Refused
from scim_core.access.networks import MAX_NETWORKS, NetworkError, admits, canonical
from scim_core.access.rate_limits import UNKNOWN_SOURCE, address_of, source_of
from scim_core.messages import ScimResponse
from scim_core.registry import Credential, CredentialKind
from scim_core.storage.tables import keys
from scim_core.storage.tables.keys import REGISTRY
from scim_core.storage.tables.row_operations import Role, RowOperation, Verb
from tests.oauth.test_audit import events
from tests.oauth.test_entra_tokens import sent
from tests.oauth.test_token_endpoint import is_error
from tests.tenancy import ENTRA_TENANT, SUBJECT, Misbehaving, Service, assertion_fields, document, settings

HOME = ("192.0.2.0/24", "2001:db8:1::/48")
INSIDE = ("192.0.2.1", "192.0.2.255", "[::ffff:192.0.2.9]", "[2001:db8:1:2:3:4:5:6]")
OUTSIDE = ("192.0.3.1", "198.51.100.7", "[::ffff:192.0.3.1]", "[2001:db8:2::1]")
WAYS = ("token", "entra", "secret", "access token", "federation")


async def issued(service: Service, way: str, networks: tuple[str, ...] = HOME) -> Issued:
    kind = CredentialKind.SECRET if way == "access token" else CredentialKind(way)
    return await service.tenant("Contoso", kind, networks=networks)


async def used(service: Service, entra: Misbehaving, it: Issued, way: str, source: str) -> ScimResponse:
    """The answer to a request with this credential from this source. An access token is got within its networks."""
    service.source = "192.0.2.1"
    bearer = it.secret
    match way:
        case "access token":
            bearer = await service.access_token(it)
        case "entra":
            bearer = sent(service, entra)
    service.source = source
    match way:
        case "secret":
            return await service.ask_for_token(basic=(it.credential.client_id, it.secret))
        case "federation":
            now = service.clock().timestamp()
            assertion = entra.assertion(ENTRA_TENANT, SUBJECT, it.credential.audience, now)
            return await service.ask_for_token(assertion_fields(it.credential.client_id, assertion))
    return await service.users(bearer)


@pytest.mark.parametrize("way", WAYS)
async def test_a_credential_is_good_within_its_networks_and_refused_elsewhere(
    service: Service, entra: Misbehaving, way: str
) -> None:
    it = await issued(service, way)
    for source in INSIDE:
        assert (await used(service, entra, it, way, source)).status == 200, source
    for source in OUTSIDE:
        answer = await used(service, entra, it, way, source)
        assert answer.status == 403, source
        assert "WWW-Authenticate" not in answer.headers
        said = answer.body.decode().partition(" (request ")[0]  # an id can have any digits
        assert "cannot be used from the address of this request" in said
        assert not any(text in said for text in ("192.0", "2001", "198.51", "/24", "/48"))
        if way in ("secret", "federation"):
            assert is_error(answer, 403, "unauthorized_client")
        else:
            assert document(answer).keys() == {"schemas", "status", "detail"}


@pytest.mark.parametrize("way", WAYS)
async def test_a_refusal_is_recorded_with_the_exact_address_and_whose_credential_it_was(
    service: Service, entra: Misbehaving, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    it = await issued(service, way)
    caplog.set_level(logging.INFO)
    await used(service, entra, it, way, "[2001:db8:2:0:3::4]:40000")
    [found] = [item for item in events(caplog) if item["event"] == "authentication failed"]
    assert (found["tenant"], found["credential"], found["method"]) == ("contoso", it.credential.label, way)
    assert (found["source"], found["reason"]) == (
        "2001:db8:2:0:3::4",
        "the address of the request is in none of its networks",
    )


@pytest.mark.parametrize("way", WAYS)
async def test_without_a_known_source_a_credential_with_networks_is_closed_and_the_log_names_the_setting(
    entra: Misbehaving, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_door = Service(settings(entra.url))
    it = await issued(open_door, way, ("0.0.0.0/0", "::/0"))
    service = Service(settings(entra.url, SCIM_TRUSTED_PROXIES="0"), registry=open_door.registry)
    bearer = await open_door.access_token(it) if way == "access token" else it.secret
    if way in ("secret", "federation"):
        answer = await used(service, entra, it, way, "192.0.2.1")
    else:
        answer = await service.users(sent(service, entra) if way == "entra" else bearer)
    assert answer.status == 403
    [record] = [item for item in caplog.records if "SCIM_TRUSTED_PROXIES" in item.getMessage()]
    assert record.levelno == logging.WARNING


async def test_what_a_client_writes_into_the_header_admits_nobody(service: Service) -> None:
    it = await issued(service, "token")
    for forwarded in ("192.0.2.1, 198.51.100.7", "192.0.2.1,192.0.2.1,198.51.100.7:1", "198.51.100.7"):
        answer = await service.send("GET", "/scim/v2/Users", it.secret, headers={"x-forwarded-for": forwarded})
        assert answer.status == 403


async def test_a_gateway_shows_the_address_before_it(entra: Misbehaving) -> None:
    service = Service(settings(entra.url, SCIM_TRUSTED_PROXIES="2"))
    it = await issued(service, "token")
    for forwarded, status in (("192.0.2.1, 198.51.100.7:1", 200), ("198.51.100.7, 192.0.2.1", 403), ("192.0.2.1", 403)):
        answer = await service.send("GET", "/scim/v2/Users", it.secret, headers={"x-forwarded-for": forwarded})
        assert answer.status == status


async def test_networks_can_be_changed_and_hold_for_access_tokens_within_a_minute(
    service: Service, client: Issued
) -> None:
    token, administration = await service.access_token(client), service.administration
    for networks, status in ((["198.51.100.0/24"], 403), (["198.51.100.0/24", "192.0.2.1"], 200), (["any"], 200)):
        await administration.change_credential(client.tenant.id, client.credential.id, access=None, networks=networks)
        service.pass_time(61)
        assert (await service.users(token)).status == status
    assert (await administration.credential(client.tenant.id, client.credential.id)).networks == ""


async def test_a_refused_address_learns_nothing_of_the_tenant(service: Service) -> None:
    it = await issued(service, "token")
    await service.administration.suspend("contoso")
    service.source = "198.51.100.7"
    assert "suspended" not in document(await service.users(it.secret))["detail"]


async def test_a_stolen_credential_elsewhere_uses_up_failures_of_its_source_and_no_permit_of_its_tenant(
    service: Service,
) -> None:
    it, other = await issued(service, "token"), await service.tenant("Fabrikam")
    limited = Service(settings(SCIM_TENANT_REQUESTS_PER_SECOND="25"), registry=service.registry, source="198.51.100.7")
    answers = [await limited.users(it.secret) for _ in range(200)]
    assert [answer.status for answer in answers] == [403] * 30 + [429] * 170
    assert "cannot be used from the address" in document(answers[-1])["detail"]
    assert (await limited.users(other.secret)).status == 200, "a good credential passes"
    limited.source = "192.0.2.1"
    assert {(await limited.users(it.secret)).status for _ in range(100)} == {200}


@pytest.mark.parametrize("kind", [CredentialKind.ENTRA, CredentialKind.FEDERATION])
async def test_of_two_credentials_that_fit_a_token_one_that_admits_the_address_is_taken(
    service: Service, entra: Misbehaving, kind: CredentialKind
) -> None:
    first = await service.tenant("Contoso", kind, networks=("198.51.100.0/24",))
    more = {"client_id": first.credential.client_id} if kind is CredentialKind.FEDERATION else {}
    await service.credential("contoso", kind, networks=("192.0.2.0/24",), **more)
    for source in ("198.51.100.7", "192.0.2.1"):
        service.source = source
        if kind is CredentialKind.ENTRA:
            answer = await service.users(sent(service, entra))
        else:
            now = service.clock().timestamp()
            assertion = entra.assertion(ENTRA_TENANT, SUBJECT, first.credential.audience, now)
            answer = await service.ask_for_token(assertion_fields(first.credential.client_id, assertion))
        assert answer.status == 200


async def test_networks_that_cannot_be_read_admit_nobody(service: Service) -> None:
    """A row that somebody wrote by hand."""
    it = await issued(service, "token")
    registry: Any = service.registry
    key = keys.credential(it.tenant.id, it.credential.id)
    merge = RowOperation(Verb.MERGE, Role.OTHER, key, {"networks": "192.0.2.0/24 office"})
    await registry.rows.transact(REGISTRY, [merge])
    assert (await service.users(it.secret)).status == 403


# How networks are written


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], ""),
        (["any"], ""),
        (["192.0.2.0/24"], "192.0.2.0/24"),
        ([" 192.0.2.7 "], "192.0.2.7/32"),
        (["2001:DB8::/32", "192.0.2.0/24", "2001:db8:0::/32"], "2001:db8::/32 192.0.2.0/24"),
        (["2001:db8::7"], "2001:db8::7/128"),
        (["::ffff:192.0.2.7"], "192.0.2.7/32"),
        (["::ffff:192.0.2.0/120"], "192.0.2.0/24"),
        (["0.0.0.0/0", "::/0"], "0.0.0.0/0 ::/0"),
        ([f"10.{number}.0.0/16" for number in range(MAX_NETWORKS)], None),
    ],
)
def test_networks_are_kept_in_one_spelling(given: list[str], kept: str | None) -> None:
    assert canonical(given) == (" ".join(given) if kept is None else kept)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("192.0.2.5/24", "Write 192.0.2.0/24 for the whole network"),
        ("2001:db8::1/32", "Write 2001:db8::/32 for the whole network"),
        ("fe80::1%eth0", "Leave out % and what follows"),
        *(
            (text, "Write one like 192.0.2.0/24 or 2001:db8::/32")
            for text in (
                *("", "office", "192.0.2", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/255.255.255.0", "192.0.2.0/"),
                *("192.0.2.0/-1", "192.0.2.0/٢٤", "192.0.2.00/24", "192.0.2.0/24/24", "192.0.2.0-192.0.2.9", "x" * 999),
            )
        ),
    ],
)
async def test_what_is_no_network_is_refused_with_what_to_write(service: Service, text: str, said: str) -> None:
    for networks in ((text,), ("192.0.2.0/24", text)):
        with pytest.raises(NetworkError, match=said) as refused:
            await service.tenant("Contoso", networks=networks)
        assert len(str(refused.value)) < 200
        await service.administration.delete("contoso", lambda _: None)


async def test_a_list_of_networks_is_bounded(service: Service, contoso: Issued) -> None:
    many = [f"10.{number}.0.0/16" for number in range(MAX_NETWORKS + 1)]
    with pytest.raises(NetworkError, match="can have 20 networks"):
        await service.credential("contoso", CredentialKind.TOKEN, networks=tuple(many))
    with pytest.raises(NetworkError, match="can have 20 networks"):
        await service.administration.change_credential("contoso", contoso.credential.id, access=None, networks=many)
    with pytest.raises(Refused, match="Say what to change"):
        await service.administration.change_credential("contoso", contoso.credential.id, access=None, networks=None)


def test_an_ipv4_address_is_in_no_ipv6_network_and_a_credential_without_networks_admits_all() -> None:
    credential = Credential("c", CredentialKind.TOKEN, "label", "")
    assert admits(credential, UNKNOWN_SOURCE)
    assert admits(credential, "192.0.2.1")
    for networks, address in (("::/0", "192.0.2.1"), ("0.0.0.0/0", "2001:db8::1"), ("0.0.0.0/0", UNKNOWN_SOURCE)):
        assert not admits(Credential("c", CredentialKind.TOKEN, "label", "", networks=networks), address)


@pytest.mark.parametrize(
    ("forwarded", "address", "source"),
    [
        ("192.0.2.1:40000", "192.0.2.1", "192.0.2.1"),
        ("[2001:db8:1:2:3::4]:40000", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:0:0:0:9", "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("[::ffff:c000:201]:40000", "192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("not an address", UNKNOWN_SOURCE, UNKNOWN_SOURCE),
    ],
)
def test_the_address_is_exact_and_the_source_for_limits_is_not(forwarded: str, address: str, source: str) -> None:
    headers = {"x-forwarded-for": forwarded}
    assert (address_of(headers, 1), source_of(headers, 1)) == (address, source)
