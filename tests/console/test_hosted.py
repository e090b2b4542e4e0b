"""The hosted console lets in whom Entra names, by the token itself, and serves nothing but the console."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

import scim_core
from devhost.authority import Authority, Key
from scim_core import ScimRequest, ScimResponse, SettingsError
from scim_core.access.oauth.key_server import fetch_key_set
from scim_core.console.console import Console
from scim_core.console.entra_door import ID_TOKEN
from scim_core.console.visitors import CSRF_FIELD
from scim_core.console_composition import build_console
from scim_core.console_settings import ConsoleSettings, serves_console
from scim_core.endpoint.unconfigured import Unconfigured
from scim_core.pages.forms import FORM
from tests.console.world import World, some_customers
from tests.running import ROOT, clean_environment
from tests.scim import replace
from tests.tenancy import ENTRA_TENANT, KEYS, OTHER_ENTRA_TENANT, tampered

CLIENT = "b5ba7a93-4452-4522-aeb4-a2b5da870c17"
SETTINGS = {
    "SCIM_APP": "console",
    "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true",
    "SCIM_CONSOLE_ENTRA_TENANT": ENTRA_TENANT,
    "SCIM_CONSOLE_CLIENT_ID": CLIENT,
    "SCIM_CONSOLE_CHANGES": "allow",
}
MASS_CHANGES = {"SCIM_MASS_CHANGE_USERS": "5", "SCIM_MASS_CHANGE_PERCENT": "40", "SCIM_MASS_CHANGE_HOLD": "true"}
REVOKE = "/console/customers/fabrikam-inc/credentials/{}/revoke"

type Signed = Callable[..., str]


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    running = Authority(KEYS[0])
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def world() -> World:
    return await some_customers()


@pytest.fixture
def console(authority: Authority, world: World) -> Console:
    environment = {**SETTINGS, "SCIM_ENTRA_AUTHORITY": authority.url}
    return build_console(environment, world.storage, world.registry, world.clock, fetch=fetch_key_set)


@pytest.fixture
def signed(authority: Authority, world: World) -> Signed:
    """An ID token of somebody with the role viewer, or with these claims; None leaves one out."""

    def token(key: Key = KEYS[0], **claims: Any) -> str:
        now = int(world.clock.now.timestamp())
        usual = {
            "iss": f"{authority.url}/{ENTRA_TENANT}/v2.0",
            "aud": CLIENT,
            "tid": ENTRA_TENANT,
            "oid": "9f8b5f0e-0000-4000-8000-00000000a001",
            "sub": "pairwise",
            "ver": "2.0",
            "preferred_username": "vic@vendor.example",
            "roles": ["viewer"],
            **dict.fromkeys(("iat", "nbf"), now),
            "exp": now + 3600,
        }
        kept = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(kept, key.private, algorithm="RS256", headers={"kid": key.id})

    return token


async def ask(console: Console, token: str | None, path: str = "/console", **headers: str) -> ScimResponse:
    given = headers if token is None else {ID_TOKEN: token, **headers}
    return await console.handle(ScimRequest("GET", path, headers=given))


async def test_whoever_has_a_role_comes_in(console: Console, signed: Signed) -> None:
    viewer = await ask(console, signed())
    assert viewer.status == 200
    assert b"vic@vendor.example" in viewer.body
    assert b">viewer<" in viewer.body
    assert b">operator<" in (await ask(console, signed(roles=["viewer", "operator"]))).body


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "another"}, "another audience"),
        ({"aud": [CLIENT]}, "another audience"),
        ({"aud": f"api://{CLIENT}"}, "another audience"),
        ({"iss": f"https://login.microsoftonline.com/{OTHER_ENTRA_TENANT}/v2.0"}, "another issuer"),
        ({"tid": OTHER_ENTRA_TENANT}, "another tid"),
        ({"oid": None}, "lacks the claim oid"),
        ({"exp": 1}, "has expired"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"scp": "user_impersonation"}, "an access token"),
        ({"azp": CLIENT}, "an access token"),
        ({"idtyp": "app"}, "an access token"),
    ],
)
async def test_no_other_token_comes_in(console: Console, signed: Signed, claims: dict[str, Any], said: str) -> None:
    answer = await ask(console, signed(roles=["operator"], **claims))
    assert answer.status == 401
    assert said in answer.body.decode()


async def test_a_signature_must_be_entras(console: Console, signed: Signed) -> None:
    for token in (
        signed(key=KEYS[1]),
        tampered(signed(), roles=["operator"]),
        signed()[:-4],
        "",
        "x",
        "e30.e30.",
        "\u00e9.\u00e9.\u00e9",
        "a" * 20_000,
    ):
        assert (await ask(console, token)).status == 401
    assert (await ask(console, None)).status == 401


@pytest.mark.parametrize("roles", [None, [], ["Viewer"], "viewer", ["feed.read"], [1]])
async def test_without_a_role_there_is_nothing_to_see(console: Console, signed: Signed, roles: Any) -> None:
    answer = await ask(console, signed(roles=roles))
    assert answer.status == 403
    assert b"Contoso" not in answer.body


async def test_what_the_platform_says_of_somebody_is_not_believed(console: Console, signed: Signed) -> None:
    """Where App Service's sign-in is off, anybody sends these headers."""
    said = {
        "x-ms-client-principal": "eyJyb2xlcyI6WyJvcGVyYXRvciJdfQ==",
        "x-ms-client-principal-id": "1",
        "x-ms-client-principal-name": "root@vendor.example",
        "x-ms-token-aad-access-token": signed(roles=["operator"]),
        "authorization": f"Bearer {signed(roles=['operator'])}",
        "cookie": "AppServiceAuthSession=x; scim_console_80=x",
    }
    assert (await ask(console, None, **said)).status == 401
    assert b">viewer<" in (await ask(console, signed(), **said)).body


async def test_a_sign_in_that_has_ended_says_where_to_sign_in_again(
    console: Console, signed: Signed, world: World
) -> None:
    token = signed()
    assert (await ask(console, token)).status == 200
    world.clock.now += timedelta(hours=2)
    answer = await ask(console, token)
    assert answer.status == 401
    assert b'href="/.auth/login/aad?post_login_redirect_uri=%2Fconsole"' in answer.body


async def test_a_viewer_changes_nothing_and_the_trail_names_the_operator(
    console: Console, signed: Signed, world: World
) -> None:
    tenant = await world.registry.load("fabrikam-inc")
    assert tenant
    path = REVOKE.format(tenant.credentials[0].id)

    async def revoke(token: str, form: str) -> ScimResponse:
        headers = {ID_TOKEN: token, "content-type": FORM}
        return await console.handle(ScimRequest("POST", path, headers=headers, body=f"{CSRF_FIELD}={form}".encode()))

    operator = signed(roles=["operator"], preferred_username="ann@vendor.example")
    page = (await ask(console, operator, path)).body.decode()
    form = page.partition(f'name="{CSRF_FIELD}" value="')[2].partition('"')[0]
    assert form
    assert (await revoke(signed(), form)).status == 403
    assert (await revoke(signed(roles=["operator"], preferred_username="eve@vendor.example"), form)).status == 403
    assert (await revoke(operator, form)).status == 303
    *_, record = [item async for item in world.registry.audit_records()]
    assert record.text("event") == "credential revoked"
    assert record.text("user") == "ann@vendor.example"
    assert record.text("identity") == f"oid=9f8b5f0e-0000-4000-8000-00000000a001 tid={ENTRA_TENANT}"


@pytest.mark.parametrize("address", ["", "https://scim.example.com"])
async def test_a_setup_link_begins_with_the_address_of_the_service(
    authority: Authority, world: World, signed: Signed, address: str
) -> None:
    """The console has a host of its own, and its requests do not say where the service is."""
    environment = {**SETTINGS, "SCIM_ENTRA_AUTHORITY": authority.url, "SCIM_PUBLIC_BASE_URL": address}
    console = build_console(environment, world.storage, world.registry, world.clock, fetch=fetch_key_set)
    operator, path = signed(roles=["operator"]), "/console/customers/northwind-traders/setup-link"
    page = await ask(console, operator, path, host="console.example.com")
    assert page.status == (200 if address else 409)
    form = page.body.decode().partition(f'name="{CSRF_FIELD}" value="')[2].partition('"')[0]
    request = ScimRequest(
        "POST", path, headers={ID_TOKEN: operator, "content-type": FORM}, body=f"{CSRF_FIELD}={form}&days=7".encode()
    )
    made = await console.handle(request)
    assert made.status == (200 if address else 403)
    assert (b"https://scim.example.com/setup#northwind-traders." in made.body) == bool(address)


async def test_the_console_serves_no_scim_and_the_scim_app_no_console(
    console: Console, signed: Signed, world: World
) -> None:
    for path in ("/scim/v2/Users", "/feed/v1/changes", "/oauth2/token", "/scim/v2/ServiceProviderConfig"):
        assert (await ask(console, signed(roles=["operator"]), path)).status == 404
    scim = world.endpoint
    for path in ("/console", "/console/customers/contoso-ltd", "/console/assets/style.css", "/console/enter"):
        assert (await scim.handle(ScimRequest("GET", path, headers={ID_TOKEN: signed()}))).status == 404


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"SCIM_CONSOLE_ENTRA_TENANT": ""}, "SCIM_CONSOLE_ENTRA_TENANT"),
        ({"SCIM_CONSOLE_ENTRA_TENANT": "common"}, "SCIM_CONSOLE_ENTRA_TENANT"),
        ({"SCIM_CONSOLE_CLIENT_ID": ""}, "SCIM_CONSOLE_CLIENT_ID"),
        ({"SCIM_CONSOLE_CHANGES": "yes"}, "SCIM_CONSOLE_CHANGES"),
        ({"SCIM_STORAGE_CONNECTION": ""}, "SCIM_STORAGE_ACCOUNT_URL"),
        ({"SCIM_APP": "Console"}, "SCIM_APP"),
        ({"SCIM_ENTRA_AUTHORITY": "http://evil.example"}, "SCIM_ENTRA_AUTHORITY"),
        ({"SCIM_PUBLIC_BASE_URL": "scim.example.com"}, "SCIM_PUBLIC_BASE_URL"),
    ],
)
async def test_a_setting_that_is_missing_opens_nothing(
    changed: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings, app = scim_core.build_or_refuse(SETTINGS | changed)
    assert settings is None
    assert isinstance(app, Unconfigured)
    assert (await app.handle(ScimRequest("GET", "/console"))).status == 503
    assert said in caplog.text


def test_the_setting_chooses_the_app() -> None:
    settings, app = scim_core.build_or_refuse(SETTINGS)
    assert settings is None
    assert isinstance(app, Console)
    assert not serves_console({})
    assert not serves_console({"SCIM_APP": "scim"})
    assert not ConsoleSettings.from_environment(SETTINGS | {"SCIM_CONSOLE_CHANGES": ""}).allows_changes
    with pytest.raises(SettingsError):
        serves_console({"SCIM_APP": "both"})


def test_an_app_that_is_no_console_loads_no_pages() -> None:
    """A cold start pays for nothing that it does not serve."""
    program = (
        "import sys, scim_core\n"
        "settings, app = scim_core.build_or_refuse({'SCIM_TOKEN_SHA256': '0' * 64,"
        " 'SCIM_STORAGE_CONNECTION': 'UseDevelopmentStorage=true'})\n"
        "assert settings\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('jinja2', 'markupsafe')"
        " or name.startswith(('scim_core.console.', 'scim_core.pages'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_function_app_has_one_route_where_it_is_the_console() -> None:
    """And no timer: the sweep, the feeds and the backup are the SCIM app's."""
    program = "import function_app; print([item.get_function_name() for item in function_app.app.get_functions()])"
    environment = {**clean_environment(), **SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("['zz_fallback']", "")


async def test_what_a_mass_change_is_the_settings_say(authority: Authority, signed: Signed) -> None:
    there = World()
    tenant = await there.customer("Contoso Ltd")
    for number in range(14):
        user = await there.user(tenant, f"user{number}")
        if number < 6:
            await there.patch(tenant, f"Users/{user}", replace("active", value=False))
    await there.settle()
    told = []
    for more in ({}, MASS_CHANGES, {**MASS_CHANGES, "SCIM_MASS_CHANGE_PERCENT": "50"}):
        environment = {**SETTINGS, "SCIM_ENTRA_AUTHORITY": authority.url, **more}
        made = build_console(environment, there.storage, there.registry, there.clock, fetch=fetch_key_set)
        now = dict.fromkeys(("iat", "nbf"), int(there.clock.now.timestamp()))
        token = signed(**now, exp=now["iat"] + 3600)
        page = await ask(made, token, f"/console/customers/{tenant}/mass-changes")
        told.append(" ".join(page.body.decode().split()))
    usual, low, higher = told
    assert "More than 20 users, and more than 10 %" in usual
    assert "no mass change" in usual
    assert "More than 5 users, and more than 40 %" in low
    assert "no mass change" not in low
    assert "no mass change" in higher
    page = await ask(made, token, "/console/customers/default/mass-changes")
    assert b"That of this console is true." in page.body


@pytest.mark.parametrize("name", sorted(MASS_CHANGES))
def test_a_limit_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        ConsoleSettings.from_environment({**SETTINGS, name: "many"})
