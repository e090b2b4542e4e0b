"""Many tenants on the real worker: Entra's side of the four ways in, and the operator's command line."""

import asyncio
import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from aiohttp import web
from jwt.utils import base64url_decode

from devhost import play_entra
from devhost.authority import SYNC_FABRIC, Authority
from devhost.azurite import Azurite, free_port
from devhost.play_entra import KINDS, Entra, onboarded, play
from scim_core.access.token_format import digest
from scim_core.admin.__main__ import main
from tests.commands import run_process
from tests.running import ROOT, RunningEndpoint, clean_environment, running_authority, running_tenants
from tests.worker.processes import PATIENCE_SECONDS
from tests.worker.raw_http import send
from tests.worker.test_commands import running


@dataclass(frozen=True)
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


def as_an_operator(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as an operator runs it, in an environment without settings except these."""
    command = [sys.executable, "-m", "scim_core.admin", *arguments]
    settings = clean_environment() | environment
    return subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Tenants:
    """A service of many tenants, the Entra that it trusts, and the command line of its operator."""

    endpoint: RunningEndpoint
    authority: Authority

    @property
    def url(self) -> str:
        return self.endpoint.app.url

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment() | self.endpoint.storage

    def run(self, *arguments: str, given: str = "", **environment: str) -> Done:
        """The command, run in this process: starting one takes a second."""
        out, errors = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            patch.setattr(sys, "stdin", io.StringIO(given))
            code = main(["--url", self.url, *arguments], self.environment | environment)
        return Done(code, out.getvalue(), errors.getvalue())

    def json(self, *arguments: str) -> Any:
        done = self.run("--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def tenants(azurite: Azurite) -> Iterator[Tenants]:
    with (
        running_authority() as authority,
        running_tenants(azurite, "--quiet", SCIM_ENTRA_AUTHORITY=authority.url) as endpoint,
    ):
        yield Tenants(endpoint, authority)


@pytest.fixture
def _as_operator(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's part of the play is done in this process, too."""

    async def administer(*arguments: str) -> Any:
        return await asyncio.to_thread(tenants.json, *arguments)

    monkeypatch.setattr(play_entra, "administer", administer)


@pytest.mark.usefixtures("_as_operator")
@pytest.mark.parametrize("kind", KINDS)
async def test_entra_provisions_in_each_way_with_what_was_printed_and_nothing_else(
    tenants: Tenants, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [customer] = await play([kind], tenants.url, tenants.authority)
    assert customer.scim_url == tenants.endpoint.base_url
    said = capsys.readouterr().out
    assert said.count("->") == (11 if kind in ("secret", "federation") else 10)
    credentials = await asyncio.to_thread(tenants.json, "credentials", "list", customer.id)
    assert [item["kind"] for item in credentials] == [kind]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", credentials[0]["lastUsed"])


@pytest.mark.usefixtures("_as_operator")
async def test_the_workload_identity_is_played_with_the_claims_of_today(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[dict[str, Any]] = []
    sign = tenants.authority.sign

    def noted(claims: dict[str, Any]) -> str:
        signed.append(claims)
        return sign(claims)

    monkeypatch.setattr(tenants.authority, "sign", noted)
    await play(["federation"], tenants.url, tenants.authority, quiet=True)
    [claims] = signed
    assert (claims["aud"], claims["azp"], claims["azpacr"]) == (play_entra.WORKLOAD_IDENTITY, SYNC_FABRIC, "2")
    assert "appid" not in claims


@pytest.mark.usefixtures("_as_operator")
async def test_each_way_opens_its_own_customer_and_none_of_the_others(tenants: Tenants) -> None:
    bearers = {}
    async with aiohttp.ClientSession() as http:
        for kind in KINDS:
            customer = await onboarded(kind, tenants.url)
            bearers[kind] = await Entra(http, customer, tenants.authority, quiet=True).bearer()
    async with httpx.AsyncClient(
        base_url=tenants.endpoint.base_url, trust_env=False, timeout=PATIENCE_SECONDS
    ) as client:
        for kind, bearer in bearers.items():
            headers = {"Authorization": f"Bearer {bearer}"}
            assert (await client.post("/Users", headers=headers, json={"userName": kind})).status_code == 201
        for kind, bearer in bearers.items():
            found = (await client.get("/Users", headers={"Authorization": f"Bearer {bearer}"})).json()
            assert [user["userName"] for user in found["Resources"]] == [kind]
    said = tenants.endpoint.app.said()
    assert [bearer for bearer in bearers.values() if bearer in said] == []


def test_the_script_runs_from_the_command_line(tenants: Tenants) -> None:
    command = [
        sys.executable,
        "-m",
        "devhost.play_entra",
        "--url",
        tenants.url,
        "--authority-port",
        "0",
        "token",
        "secret",
    ]
    done = subprocess.run(command, cwd=ROOT, env=tenants.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "All went as Entra expects" in done.stdout


@dataclass(frozen=True)
class Script:
    """`python -m devhost.play_entra`, in this process."""

    patch: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]

    async def run(self, *arguments: str) -> Done:
        self.patch.setattr(sys, "argv", ["play_entra", "--authority-port", "0", *arguments])
        self.patch.setenv("SCIM_STORAGE_CONNECTION", "which the script does not replace")
        code = await asyncio.to_thread(play_entra.main)
        return Done(code, *self.output.readouterr())


@pytest.fixture
def script(_as_operator: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Script:
    return Script(monkeypatch, capsys)


async def test_the_script_says_what_is_wrong(script: Script) -> None:
    url = f"http://localhost:{free_port()}"
    done = await script.run("--url", url, "token")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert f"nothing answers at {url} " in done.stderr


async def test_the_script_follows_the_port_of_make_run(
    tenants: Tenants, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = urlsplit(tenants.url).port
    monkeypatch.setenv("PORT", str(port))
    done = await script.run("token")
    assert done.returncode == 0, done.stderr
    assert f"http://localhost:{port}/scim/v2" in done.stdout


def test_a_two_header_request_is_refused_as_the_host_joins_it(tenants: Tenants) -> None:
    """The host joins repeated headers with a comma; so the second credential is not overlooked."""
    connection = HTTPConnection(urlsplit(tenants.url).netloc, timeout=PATIENCE_SECONDS)
    connection.putrequest("GET", "/scim/v2/Users")
    for _ in range(2):
        connection.putheader("Authorization", f"Bearer {tenants.endpoint.token}")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    connection.close()


def test_metadata_is_reachable_and_tokens_are_not_logged(tenants: Tenants) -> None:
    server = send(tenants.url, "/.well-known/oauth-authorization-server")
    assert server.json["token_endpoint"] == f"{tenants.url}/oauth2/token"
    for path in ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/scim/v2"):
        assert send(tenants.url, path).json["resource"] == tenants.endpoint.base_url
    refused = send(tenants.url, "/oauth2/token", "POST", {"Content-Type": "application/x-www-form-urlencoded"}, b"x=y")
    assert (refused.status, refused.json["error"]) == (400, "invalid_request")


# The command line


def test_the_life_of_a_tenant_in_words(tenants: Tenants) -> None:
    arguments = ("--url", tenants.url, "tenants", "create", "Wingtip Toys", "--label", "for Entra")
    created = as_an_operator(*arguments, **tenants.endpoint.storage)
    assert created.returncode == 0, created.stderr
    assert f"Tenant URL             {tenants.endpoint.base_url}\n" in created.stdout
    token = re.search(r"Secret Token +(scim_\S+)\n", created.stdout)
    assert token
    assert "Bearer authentication" in created.stdout
    assert "is shown only now" in created.stdout
    assert re.search(r"^wingtip-toys +Wingtip Toys +active ", tenants.run("tenants", "list").stdout, re.MULTILINE)
    shown = tenants.run("tenants", "show", "wingtip-toys").stdout
    assert "for Entra" in shown
    assert "good" in shown
    assert token[1] not in shown
    assert digest(token[1]) not in shown
    assert "Toys and more" in tenants.run("tenants", "rename", "wingtip-toys", "Toys and more").stdout
    changed = tenants.run("tenants", "change", "wingtip-toys", "--group-patch-answer", "200").stdout
    assert "A PATCH of a group answers 200." in changed
    usual = tenants.run("tenants", "change", "wingtip-toys", "--group-patch-answer", "usual").stdout
    assert "A PATCH of a group" not in usual
    assert "403" in tenants.run("tenants", "suspend", "wingtip-toys").stdout
    assert "are answered." in tenants.run("tenants", "resume", "wingtip-toys").stdout
    refused = tenants.run("tenants", "delete", "wingtip-toys")
    assert refused.returncode == 1
    assert "--confirm wingtip-toys" in refused.stderr
    audited = [json.loads(line)["audit"] for line in created.stderr.splitlines()]
    assert [item["event"] for item in audited] == ["tenant created", "credential created"]
    assert token[1] not in created.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_of_each_kind_are_created_listed_rotated_revoked_and_removed(tenants: Tenants, kind: str) -> None:
    name = tenants.json("tenants", "create", f"Kind {kind}", "--kind", "none")["id"]
    entra = [] if kind in ("token", "secret") else ["--entra-tenant", "ce5f061f-abe6-4e40-9615-301f87bcb7f1"]
    entra += ["--subject", "s", "--audience", "api://a/.default"] if kind == "federation" else []
    made = tenants.json("credentials", "create", name, kind, "--days", "30", *entra)
    first = made["credential"]["id"]
    assert bool(made["secret"]) is (kind in ("token", "secret"))
    changed = {"federation": ["--subject", "t"], "entra": ["--audience", "5f0e1f7b-70c5-4cf1-8f44-1b7e6e0e3f0c"]}
    rotated = tenants.json("credentials", "rotate", name, first, "--keep-days", "2", *changed.get(kind, []))
    assert rotated["credential"]["kind"] == kind
    assert rotated["secret"] != made["secret"] or rotated["secret"] is None
    assert rotated["credential"].get("clientId") == made["credential"].get("clientId")
    second = rotated["credential"]["id"]
    assert tenants.json("credentials", "revoke", name, first)["good"] is False
    listed = {item["id"]: item["good"] for item in tenants.json("credentials", "list", name)}
    assert listed == {first: False, second: True}
    tenants.json("credentials", "remove", name, first)
    assert [item["id"] for item in tenants.json("credentials", "list", name)] == [second]
    assert "never" in tenants.run("credentials", "list", name).stdout


def test_a_rotation_without_a_secret_needs_a_new_value(tenants: Tenants) -> None:
    made = tenants.json(
        "tenants", "create", "Pinned", "--kind", "entra", "--entra-tenant", "ce5f061f-abe6-4e40-9615-301f87bcb7f2"
    )
    refused = tenants.run("credentials", "rotate", made["tenant"], made["credential"]["id"])
    assert refused.returncode == 1
    assert "Give the new value" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tenants", "show", "nobody"), "There is no tenant 'nobody'"),
        (("tenants", "create", "Nobody", "--id", "Upper Case"), "lower-case letters"),
        (("tenants", "create", "!!!"), "--id"),
        (("credentials", "revoke", "nobody", "x"), "There is no tenant"),
        (("credentials", "create", "nobody", "token", "--days", "99999"), "There is no tenant"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tenants: Tenants, arguments: tuple[str, ...], said: str) -> None:
    done = tenants.run(*arguments)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_without_a_public_url_nothing_is_created_that_could_not_be_shown(tenants: Tenants) -> None:
    done = run_process(tenants.endpoint.storage, "tenants", "create", "No URL")
    assert done.returncode == 1
    assert "SCIM_PUBLIC_BASE_URL" in done.stderr
    assert "no-url" not in tenants.run("tenants", "list").stdout


def test_without_a_storage_a_sentence_names_the_settings() -> None:
    done = run_process({}, "tenants", "list")
    assert done.returncode == 1
    assert "SCIM_STORAGE_ACCOUNT_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signing_key_is_one_line_and_starts_a_service() -> None:
    done = run_process({}, "signing-key")
    assert json.loads(base64url_decode(done.stdout.strip()))["crv"] == "P-256"
    assert len(done.stdout.splitlines()) == 1


# The smoke test


def test_the_smoke_test_of_a_good_token(tenants: Tenants) -> None:
    made = tenants.json("tenants", "create", "Smoke")
    done = tenants.run("smoke-test", tenants.endpoint.base_url, given=made["secret"])
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok ") == 7
    assert made["secret"] not in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["token", "secret"])
def test_the_smoke_test_of_a_credential_that_may_only_read_changes_nothing_and_is_good(
    tenants: Tenants, kind: str
) -> None:
    made = tenants.json("tenants", "create", f"Reader {kind}", "--kind", kind, "--access", "read")
    client = ("--client-id", made["credential"]["clientId"]) if kind == "secret" else ()
    done = tenants.run("smoke-test", tenants.endpoint.base_url, *client, given=made["secret"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "ok     the credential may only read, so nothing is changed"


def test_a_credential_cannot_be_used_from_another_network_over_http(tenants: Tenants) -> None:
    made = tenants.json("tenants", "create", "Elsewhere", "--network", "192.0.2.0/24")
    for forwarded, status in (("192.0.2.7", 200), ("192.0.2.7, 198.51.100.7", 403)):
        headers = {"Authorization": f"Bearer {made['secret']}", "X-Forwarded-For": forwarded}
        assert send(tenants.url, "/scim/v2/Users", "GET", headers).status == status
    [shown] = tenants.json("credentials", "list", "elsewhere")
    assert shown["lastSource"] == "192.0.2.7"


@pytest.mark.parametrize("way", ["header", "body", "both"])
def test_the_smoke_test_of_a_client(tenants: Tenants, way: str) -> None:
    made = tenants.json("tenants", "create", f"Smoke {way}", "--kind", "secret")
    client_id = made["credential"]["clientId"]
    arguments = ("--json", "smoke-test", tenants.endpoint.base_url, "--client-id", client_id, "--send", way)
    done = tenants.run(*arguments, "--credential-from", "THE_SECRET", THE_SECRET=made["secret"])
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout)
    assert found["good"] is True
    assert [step["step"] for step in found["steps"]][:2] == ["an access token can be obtained", "Test Connection"]


def test_the_smoke_test_of_an_assertion(tenants: Tenants) -> None:
    entra = "ce5f061f-abe6-4e40-9615-301f87bcb7f3"
    made = tenants.json(
        *("tenants", "create", "Smoke assertion", "--kind", "federation"),
        *("--entra-tenant", entra, "--subject", play_entra.SUBJECT, "--audience", play_entra.WORKLOAD_IDENTITY),
    )
    assertion = tenants.authority.assertion(entra, play_entra.SUBJECT, play_entra.WORKLOAD_IDENTITY)
    arguments = ("smoke-test", tenants.endpoint.base_url, "--client-id", made["credential"]["clientId"], "--assertion")
    assert tenants.run(*arguments, given=assertion).returncode == 0
    again = tenants.run(*arguments, given=assertion)
    assert again.returncode == 1
    assert "used before" in again.stdout


@pytest.mark.parametrize(
    ("url", "credential", "said"),
    [
        ("{base}", "scim_wrong", "mistyped"),
        ("{base}", "wrong", "The credential was refused (401)"),
        ("{url}", "{token}", "a Tenant URL ends with /scim/v2"),
        ("{url}/scim", "{token}", "a Tenant URL ends with /scim/v2"),
        ("http://127.0.0.1:9/scim/v2", "x", "Nothing answers at 127.0.0.1:9"),
        ("http://no-such-host.invalid/scim/v2", "x", "There is no host no-such-host.invalid"),
        ("scim.example.com", "x", "This is no URL"),
        ("{authority}/x/discovery/keys?", "x", "There is nothing at this address"),
    ],
)
def test_the_smoke_test_says_in_words_what_is_wrong(tenants: Tenants, url: str, credential: str, said: str) -> None:
    named = {
        "base": tenants.endpoint.base_url,
        "url": tenants.url,
        "token": tenants.endpoint.token,
        "authority": tenants.authority.url,
    }
    done = tenants.run("smoke-test", url.format(**named), given=credential.format(**named))
    assert done.returncode == 1
    assert said in done.stdout
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_the_smoke_test_without_a_credential(tenants: Tenants) -> None:
    done = tenants.run("smoke-test", tenants.endpoint.base_url, given="\n")
    assert done.returncode == 1
    assert "no credential" in done.stderr


async def test_the_smoke_test_of_what_is_no_scim_endpoint(tenants: Tenants) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>Sign in</html>", content_type="text/html")

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://login.example.com/?code=s3cr3t"})

    async def json_of_another_kind(_: web.Request) -> web.Response:
        return web.json_response({"hello": "world"})

    application = web.Application()
    application.router.add_get("/page/Users", page)
    application.router.add_get("/elsewhere/Users", elsewhere)
    application.router.add_get("/other/Users", json_of_another_kind)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        for path, said in (
            ("page", "no SCIM ListResponse"),
            ("elsewhere", "redirects to https://login.example.com/"),
            ("other", "no SCIM ListResponse"),
        ):
            done = await asyncio.to_thread(tenants.run, "smoke-test", f"{url}/{path}", given="x")
            assert done.returncode == 1
            assert said in done.stdout
            assert "s3cr3t" not in done.stdout
    finally:
        await runner.cleanup()


# `make run` with many tenants


def test_make_run_serves_many_tenants(tmp_path: Path) -> None:
    port = str(free_port())
    with running(tmp_path, PORT=port, TENANTS="registry") as run:
        url = f"http://localhost:{port}"
        connection = run.said(r"SCIM_STORAGE_CONNECTION='(\S+)'")
        settings = {"SCIM_STORAGE_CONNECTION": connection}
        done = run_process(settings, "--json", "--url", url, "tenants", "create", "Contoso")
        token = json.loads(done.stdout)["secret"]
        assert send(url, "/scim/v2/Users", headers={"Authorization": f"Bearer {token}"}).status == 200
        assert run.users().status == 200, "the token that was printed is the default tenant's"
    key = tmp_path / ".azurite" / port / "signing-key"
    assert key.stat().st_mode & 0o777 == 0o600
    kept = sha256(key.read_bytes()).hexdigest()
    with running(tmp_path, PORT=port, TENANTS="registry") as run:
        assert send(url, "/scim/v2/Users", headers={"Authorization": f"Bearer {token}"}).status == 200
    assert sha256(key.read_bytes()).hexdigest() == kept
