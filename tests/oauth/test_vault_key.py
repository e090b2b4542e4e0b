"""A signing key that stays in a vault: who signs, who verifies, how it rotates, and a vault that fails."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

import scim_core
from scim_core import SettingsError
from scim_core.access.credential_plans import Issued
from scim_core.access.oauth.vault import VaultError, scope
from scim_core.access.rate_limits import TOKEN_REQUESTS
from scim_core.messages import ScimResponse
from tests.memory_rows import memory_storage
from tests.oauth.test_access_tokens import claims_of, signed
from tests.oauth.test_token_endpoint import is_error
from tests.tenancy import SIGNING_KEY, Service, settings, tampered
from tests.vault import KEY, StandIn, Version, encoded, silent

LONG_AGO = 86_400


@pytest.fixture
def service() -> Service:
    """With a key that the vault has had for a day."""
    made = Service(settings(SCIM_SIGNING_KEY=SIGNING_KEY))
    made.vault = StandIn(lambda: made.clock().timestamp())
    made.settings = settings(SCIM_SIGNING_KEY=KEY)
    made.restart()
    made.pass_time(LONG_AGO)
    return made


@pytest.fixture
def vault(service: Service) -> StandIn:
    assert isinstance(service.vault, StandIn)
    return service.vault


def other_instance(service: Service) -> Service:
    return Service(
        service.settings, service.storage, service.registry, service.clock, service.timer, vault=service.vault
    )


async def ask(service: Service, client: Issued) -> ScimResponse:
    return await service.ask_for_token(basic=(client.credential.client_id, client.secret))


def key_id(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_the_vault_signs_and_gets_nothing_but_a_digest(service: Service, vault: StandIn, client: Issued) -> None:
    token = await service.access_token(client)

    assert (await service.users(token)).status == 200
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"], len(header["kid"]), len(token) < 1024) == ("at+jwt", "ES256", 43, True)
    [sent] = [sent for method, _, sent in vault.asked if method == "POST"]
    assert sent is not None
    assert (set(sent), len(sent["value"])) == ({"alg", "value"}, 43)


async def test_a_token_with_other_claims_is_refused(service: Service, client: Issued) -> None:
    token = await service.access_token(client)

    assert (await service.users(tampered(token, tenant="contoso"))).status == 401
    assert (await service.users(signed(claims_of(token)))).status == 401


async def test_public_keys_are_fetched_once_an_hour_and_each_token_is_one_call(
    service: Service, vault: StandIn, client: Issued
) -> None:
    tokens = [await service.access_token(client) for _ in range(3)]
    for token in tokens * 3:
        assert (await service.users(token)).status == 200
    assert (vault.count("GET"), vault.count("POST")) == (2, 3)
    service.pass_time(3590)
    assert (await service.users(tokens[0])).status == 200
    assert vault.count("GET") == 2
    service.pass_time(15)
    assert (await service.users(tokens[0])).status == 200
    assert vault.count("GET") == 4


async def test_nothing_is_asked_at_the_start(service: Service, vault: StandIn) -> None:
    service.restart()
    assert vault.asked == []


async def test_whoever_is_refused_costs_no_signature(service: Service, vault: StandIn, client: Issued) -> None:
    for secret in ("wrong", client.secret[:-1] + "!"):
        assert (await service.ask_for_token(basic=(client.credential.client_id, secret))).status == 401
    assert vault.asked == []


async def test_the_limit_of_the_token_endpoint_bounds_the_signatures(
    service: Service, vault: StandIn, client: Issued
) -> None:
    _, burst = TOKEN_REQUESTS
    statuses = [(await ask(service, client)).status for _ in range(int(burst) + 5)]

    assert statuses[-1] == 429
    assert vault.count("POST") == statuses.count(200) <= burst


async def test_made_up_key_ids_do_not_hammer_the_vault(service: Service, vault: StandIn, client: Issued) -> None:
    token = await service.access_token(client)
    asked = len(vault.asked)
    header, _, rest = token.partition(".")
    for number in range(5):
        made_up = encoded(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": f"made-up-{number}"}).encode())
        assert (await service.users(f"{made_up}.{rest}")).status == 401
    assert header
    assert len(vault.asked) == asked, "within the cooldown nothing is fetched"


async def test_a_rotation_refuses_nobody(service: Service, vault: StandIn, client: Issued) -> None:
    """Two instances, of which one has just asked the vault when the new version is made."""
    second = other_instance(service)
    old = await service.access_token(client)
    service.pass_time(3601)
    assert (await second.users(await second.access_token(client))).status == 200
    vault.rotate()
    new = old
    for _ in range(30):
        service.pass_time(10)
        for issuer, taker in ((service, second), (second, service)):
            new = await issuer.access_token(client)
            assert (await taker.users(new)).status == 200
    service.pass_time(3600)
    token = await second.access_token(client)
    assert (await service.users(token)).status == 200
    assert (await service.users(new)).status == 200
    assert key_id(token) != key_id(old)


async def test_a_new_version_signs_once_every_instance_can_know_it(
    service: Service, vault: StandIn, client: Issued
) -> None:
    old = await service.access_token(client)
    vault.rotate()
    service.pass_time(59)
    service.restart()
    assert key_id(await service.access_token(client)) == key_id(old)
    service.pass_time(1)
    new = await service.access_token(client)
    assert key_id(new) != key_id(old)


async def test_an_instance_that_starts_after_a_rotation_takes_tokens_of_the_version_before(
    service: Service, vault: StandIn, client: Issued
) -> None:
    old = await service.access_token(client)
    vault.rotate()
    service.pass_time(120)
    service.restart()
    assert (await service.users(old)).status == 200
    vault.rotate()
    service.pass_time(120)
    service.restart()
    assert (await service.users(old)).status == 401, "it is not the one before any more"


async def test_a_version_that_is_disabled_ends_within_an_hour(service: Service, vault: StandIn, client: Issued) -> None:
    old = await service.access_token(client)
    vault.rotate()
    vault.versions[0].enabled = False
    service.pass_time(3540)
    assert (await service.users(old)).status == 200
    service.pass_time(61)
    assert (await service.users(old)).status == 401
    assert (await service.users(await service.access_token(client))).status == 200


async def test_dates_of_versions_are_kept(service: Service, vault: StandIn, client: Issued) -> None:
    first = await service.access_token(client)
    now = service.clock().timestamp()
    vault.rotate().dates = {"nbf": now + 10_000}
    service.pass_time(7200)
    assert key_id(await service.access_token(client)) == key_id(first)
    vault.versions[0].dates = {"exp": now + 8_000}
    service.pass_time(3601)
    assert key_id(await service.access_token(client)) != key_id(first)


async def test_a_key_with_many_versions_is_read_page_by_page(service: Service, vault: StandIn, client: Issued) -> None:
    vault.page = 2
    for _ in range(6):
        service.pass_time(100)
        vault.rotate()
    service.pass_time(100)
    token = await service.access_token(client)
    service.restart()
    assert (await service.users(token)).status == 200
    assert [path for _, path, _ in vault.asked].count("/keys/scim-signing-key/versions") == 8


async def test_from_a_local_key_to_the_vault_and_back_nobody_is_refused(
    service: Service, vault: StandIn, client: Issued
) -> None:
    service.settings = settings(SCIM_SIGNING_KEY=SIGNING_KEY)
    service.restart()
    tokens = [await service.access_token(client)]
    for signing, other in ((SIGNING_KEY, KEY), (KEY, SIGNING_KEY), (SIGNING_KEY, KEY)):
        service.settings = settings(SCIM_SIGNING_KEY=signing, SCIM_SIGNING_KEY_OTHER=other)
        service.restart()
        tokens.append(await service.access_token(client))
        assert [(await service.users(token)).status for token in tokens] == [200] * len(tokens)
    assert vault.count("POST") == 1


RSA = {"kid": "x", "kty": "RSA", "n": "AQAB", "e": "AQAB"}
ANOTHER = Version("0", 0)


def when(kind: str, other: Any) -> Callable[[str, Any], Any]:
    return lambda called, answer: other if called == kind else answer


BROKEN: dict[str, Callable[[str, Any], Any]] = {
    **{f"no answer to {kind}": silent(kind) for kind in ("list", "key", "sign", "all")},
    "a list that is none": when("list", ["x"]),
    "an empty list": when("list", {"value": []}),
    "a list of nonsense": when("list", {"value": [None, 1, {}, {"kid": 1, "attributes": {"enabled": True}}]}),
    "a list without an end": when("list", {"value": [], "nextLink": f"{KEY}/versions?api-version=7.4&$skiptoken=1"}),
    "a link to another host": when("list", {"value": [], "nextLink": "https://evil.example/keys/x/versions?a=1"}),
    "versions with odd names": when(
        "list", {"value": [{"kid": f"{KEY}/..", "attributes": {"enabled": True, "created": 1}}]}
    ),
    "a key that is none": when("key", "x"),
    "an RSA key": when("key", {"key": RSA}),
    "a key of another curve": when("key", {"key": ANOTHER.public() | {"crv": "P-384"}}),
    "a point that is not on the curve": when("key", {"key": ANOTHER.public() | {"x": "AA"}}),
    "a signature that is none": when("sign", {"value": "x"}),
    "a signature that is no text": when("sign", {"value": 1}),
    "no signature": when("sign", ["value"]),
    "a signature of another key": when("sign", {"value": encoded(ANOTHER.sign(bytes(32)))}),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_vault_that_fails_is_503_at_the_token_endpoint(
    service: Service, vault: StandIn, client: Issued, case: str
) -> None:
    vault.broken = BROKEN[case]
    answer = await ask(service, client)
    assert is_error(answer, 503, "temporarily_unavailable")
    assert answer.headers["Retry-After"] == "5"
    assert "vault.azure.net" not in answer.body.decode()
    vault.broken = lambda _, answer: answer
    service.pass_time(31)
    assert (await ask(service, client)).status == 200


async def test_the_pause_that_the_vault_wants_is_passed_on(service: Service, vault: StandIn, client: Issued) -> None:
    def busy(_: str, __: Any) -> Any:
        raise VaultError("the key vault answered 429", 17)

    vault.broken = busy
    assert (await ask(service, client)).headers["Retry-After"] == "17"


async def test_tokens_are_taken_for_a_day_while_the_vault_is_silent(
    service: Service, vault: StandIn, client: Issued
) -> None:
    service.settings = settings(SCIM_SIGNING_KEY=KEY, SCIM_ACCESS_TOKEN_MINUTES="360")
    service.restart()
    token = await service.access_token(client)
    vault.broken = silent("all")
    for _ in range(5):
        service.pass_time(3601)
        assert (await service.users(token)).status == 200


async def test_an_instance_that_never_reached_the_vault_says_503_and_not_401(
    service: Service, vault: StandIn, client: Issued
) -> None:
    """A client that is told 401 would think that its credential has ended."""
    token = await service.access_token(client)
    vault.broken = silent("all")
    service.restart()
    for _ in range(3):
        answer = await service.users(token)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    vault.broken = lambda _, answer: answer
    service.pass_time(31)
    assert (await service.users(token)).status == 200


@pytest.mark.parametrize(
    "url", [f"{KEY}/0123456789abcdef", KEY.replace("https", "http"), "https://vault/keys/x", f"{KEY}?x=1"]
)
def test_a_url_that_names_no_key_stops_the_start(url: str) -> None:
    for names in ({"SCIM_SIGNING_KEY": url}, {"SCIM_SIGNING_KEY_OTHER": url}):
        with pytest.raises(SettingsError, match="SCIM_SIGNING_KEY"):
            scim_core.build(settings(**names), memory_storage())


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("kv.vault.azure.net", "https://vault.azure.net/.default"),
        ("kv.vault.azure.cn", "https://vault.azure.cn/.default"),
        ("kv.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net/.default"),
        ("kv.managedhsm.azure.net", "https://managedhsm.azure.net/.default"),
    ],
)
def test_the_token_is_for_the_vaults_of_its_cloud(host: str, wanted: str) -> None:
    assert scope(f"https://{host}/keys/x") == wanted
