"""A signing key in a vault, from end to end: over TLS, with a token of the platform's identity."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from devhost.azurite import free_port
from tests.certificates import Certificate
from tests.identity.conftest import CLIENT_ID, Platform
from tests.identity.test_managed_identity import run
from tests.running import ROOT, running_app
from tests.vault import StandIn
from tests.worker.processes import PATIENCE_SECONDS

PATH = "/keys/scim-signing-key"


@contextmanager
def running_vault(certificate: Certificate) -> Iterator[StandIn]:
    """A vault at https://127.0.0.1:<port>. Whoever has no token gets 401."""
    vault = StandIn(lambda: time.time() - 3600)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(None)

        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, sent: Any) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            vault.asked.append((self.command, parts.path, sent))
            try:
                good = self.headers.get("Authorization", "").startswith("Bearer ey")
                answer = vault.answer(self.command, parts.path.removeprefix(PATH), query, sent)[1] if good else {}
                body = json.dumps(vault.broken("all", answer)).encode()
                self.send_response(200 if good else 401)
            except RuntimeError:
                body = b"{}"
                self.send_response(503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    vault.url = f"https://127.0.0.1:{server.server_port}{PATH}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def vault(certificate: Certificate) -> Iterator[StandIn]:
    with running_vault(certificate) as there:
        yield there


def test_the_vault_signs_with_the_platforms_identity(
    environment: dict[str, str], platform: Platform, vault: StandIn
) -> None:
    port = free_port()
    settings = environment | {
        "SCIM_TENANTS": "registry",
        "SCIM_TABLE_NAME": "vaultkey",
        "SCIM_PUBLIC_BASE_URL": f"http://localhost:{port}",
        "SCIM_SIGNING_KEY": vault.url,
    }
    made = run(settings, "--json", "tenants", "create", "Fabrikam", "--kind", "secret")
    assert made.returncode == 0, made.stderr
    issued = json.loads(made.stdout)
    platform.asked.clear()

    def fail(_: str, __: Any) -> Any:
        raise RuntimeError

    with running_app(ROOT, settings, port=port) as app:
        client = (issued["credential"]["clientId"], issued["secret"])

        def ask() -> httpx.Response:
            form = {"grant_type": "client_credentials"}
            return httpx.post(f"{app.url}/oauth2/token", data=form, auth=client, timeout=PATIENCE_SECONDS)

        answer = ask()
        assert answer.status_code == 200, (answer.text, app.said())
        token = answer.json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        users = httpx.get(f"{app.url}/scim/v2/Users", headers=headers, timeout=PATIENCE_SECONDS)
        vault.broken = fail
        later = ask()
        said = app.said()

    assert jwt.get_unverified_header(token)["alg"] == "ES256"
    assert users.status_code == 200
    assert (later.status_code, later.headers["Retry-After"]) == (503, "5")
    [asked] = [asked for asked in platform.asked if "storage" not in asked["resource"]]
    assert asked["client_id"] == CLIENT_ID
    assert "the key vault answered 503" in said
    assert issued["secret"] not in said
