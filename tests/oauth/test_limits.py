"""Rate limits: per tenant, per source at the token endpoint, and of failures; each says when to come back."""

from collections import Counter
from hashlib import sha256

import pytest

from scim_core.access.credential_plans import Issued
from scim_core.access.rate_limits import MAX_BUCKETS, UNKNOWN_SOURCE, RateLimit, source_of
from scim_core.access.token_format import new_token
from scim_core.registry import CredentialKind
from tests.oauth.test_token_endpoint import is_error
from tests.tenancy import Service, Timer, settings
from tests.transcript_of_registry import look_ups


def test_a_limit_lets_a_burst_pass_and_then_its_rate() -> None:
    timer = Timer()
    limit = RateLimit(2, 3, timer)
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 1]
    assert limit.take("b") == 0
    timer.now += 0.5
    assert [limit.take("a") for _ in range(2)] == [0, 1]
    timer.now += 3600
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 1]


def test_what_is_kept_of_limits_is_bounded() -> None:
    limit = RateLimit(1, 1, Timer())
    for number in range(MAX_BUCKETS + 100):
        limit.take(str(number))
    assert len(limit._buckets) == MAX_BUCKETS


@pytest.mark.parametrize(
    ("forwarded", "proxies", "source"),
    [
        ("192.0.2.1:40000", 1, "192.0.2.1"),
        ("192.0.2.1", 1, "192.0.2.1"),
        ("spoofed, 198.51.100.7, 192.0.2.1:40000", 1, "192.0.2.1"),
        ("spoofed, 198.51.100.7, 192.0.2.1:40000", 2, "198.51.100.7"),
        ("192.0.2.1", 2, UNKNOWN_SOURCE),
        ("192.0.2.1", 0, UNKNOWN_SOURCE),
        ("", 1, UNKNOWN_SOURCE),
        ("not an address", 1, UNKNOWN_SOURCE),
        ("[2001:db8:1:2:3::4]:40000", 1, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", 1, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", 1, "192.0.2.1"),
        ("[::ffff:192.0.2.1]:40000", 1, "192.0.2.1"),
        ("::FFFF:c000:201", 1, "192.0.2.1"),
        ("::1.2.3.4", 1, "::/64"),
        ("fe80::1%eth0", 1, "fe80::/64"),
    ],
)
def test_a_source_is_what_the_trusted_proxy_saw(forwarded: str, proxies: int, source: str) -> None:
    assert source_of({"x-forwarded-for": forwarded}, proxies) == source


async def test_a_tenant_beyond_its_limit_is_told_to_wait_and_no_other_is(service: Service, contoso: Issued) -> None:
    limited = Service(settings(SCIM_TENANT_REQUESTS_PER_SECOND="25"), registry=service.registry)
    other = await service.tenant("Fabrikam")
    statuses = [(await limited.users(contoso.secret)).status for _ in range(101)]
    assert statuses == [200] * 100 + [429]
    answer = await limited.users(contoso.secret)
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert (await limited.users(other.secret)).status == 200
    limited.timer.now += 1
    assert [(await limited.users(contoso.secret)).status for _ in range(26)] == [200] * 25 + [429]


async def test_a_second_of_entra_is_never_refused(service: Service, contoso: Issued) -> None:
    limited = Service(settings(SCIM_TENANT_REQUESTS_PER_SECOND="25"), registry=service.registry)
    for _ in range(60):
        assert {(await limited.users(contoso.secret)).status for _ in range(25)} == {200}
        limited.timer.now += 1


async def test_the_line_of_a_request_beyond_the_limit_names_its_tenant(
    service: Service, contoso: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    limited = Service(settings(SCIM_TENANT_REQUESTS_PER_SECOND="25"), registry=service.registry)
    with caplog.at_level("INFO", logger="scim_core.endpoint.endpoint"):
        assert [(await limited.users(contoso.secret)).status for _ in range(101)][-1] == 429
    line = caplog.records[-1].__dict__
    assert (line["status"], line["tenant"], line["credential"]) == (429, contoso.tenant.id, contoso.credential.label)


async def test_too_many_failures_of_a_source_are_429_and_a_good_credential_passes(
    service: Service, contoso: Issued
) -> None:
    wrong = new_token()
    statuses = [(await service.users(wrong)).status for _ in range(32)]
    assert statuses == [401] * 30 + [429] * 2
    answer = await service.users("mistyped")
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert (await service.users(contoso.secret)).status == 200, "another customer's Entra has the same address"
    service.source = "192.0.2.99"
    assert (await service.users(wrong)).status == 401
    service.source = "192.0.2.1"
    service.timer.now += 10
    assert (await service.users(wrong)).status == 401


async def test_guesses_of_a_source_cost_a_bounded_number_of_look_ups(service: Service, contoso: Issued) -> None:
    with look_ups(service) as calls:
        for _ in range(200):
            assert (await service.users(new_token())).status in (401, 429)
    assert Counter(calls) == {"find": 50, "load": 50, "pointers": 1}
    service.timer.now += 10
    assert (await service.users(contoso.secret)).status == 200


@pytest.mark.usefixtures("contoso")
async def test_one_customers_wrong_token_keeps_no_other_out(service: Service) -> None:
    wrong = new_token()
    for _ in range(1000):
        await service.users(wrong)
    fabrikam = await service.tenant("Fabrikam")
    assert (await service.users(fabrikam.secret)).status == 200


async def test_the_access_tokens_of_a_tenant_are_limited_and_no_others(service: Service, client: Issued) -> None:
    pair = (client.credential.client_id, client.secret)
    statuses = [(await service.ask_for_token(basic=pair)).status for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    answer = await service.ask_for_token(basic=pair)
    assert is_error(answer, 429, "temporarily_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    other = await service.tenant("Adatum", CredentialKind.SECRET)
    assert await service.access_token(other), "another customer's Entra has the same address"


@pytest.mark.usefixtures("client")
async def test_failures_at_the_token_endpoint_count_as_failures(service: Service) -> None:
    statuses = [(await service.ask_for_token(basic=("nobody", "wrong"))).status for _ in range(31)]
    assert statuses == [401] * 30 + [429]
    assert (await service.users("wrong")).status == 429


@pytest.mark.usefixtures("service")
async def test_a_single_tenant_has_the_same_limits() -> None:
    one = Service(
        settings(
            SCIM_TENANTS="one",
            SCIM_TOKEN_SHA256=sha256(b"the token").hexdigest(),
            SCIM_TENANT_REQUESTS_PER_SECOND="25",
        )
    )
    assert [(await one.users("the token")).status for _ in range(101)][99:] == [200, 429]
    assert [(await one.users("wrong")).status for _ in range(31)][29:] == [401, 429]


async def test_kinds_do_not_share_the_limit_of_another_tenant(service: Service, client: Issued) -> None:
    token = await service.access_token(client)
    second = await service.credential("fabrikam", CredentialKind.TOKEN)
    limited = Service(settings(SCIM_TENANT_REQUESTS_PER_SECOND="25"), registry=service.registry)
    for _ in range(50):
        assert (await limited.users(token)).status == 200
        assert (await limited.users(second.secret)).status == 200
    assert (await limited.users(token)).status == 429
