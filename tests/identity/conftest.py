"""Table Storage over HTTPS that knows no key, and the platform's endpoint that gives tokens: what there is in Azure."""

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from devhost.azurite import ACCOUNT, MAIN, NPM, free_port, installed
from tests.certificates import Certificate, certificate_in
from tests.running import close_input
from tests.worker.processes import PATIENCE_SECONDS, until

CLIENT_ID = "0b5a0b1e-0000-4000-8000-00000000c11e"
HEADER = "of-the-platform"


@dataclass
class Platform:
    """What stands behind IDENTITY_ENDPOINT. `asked` are the queries of those who knew the header.

    A token is for what was asked, or for `audience` whatever was asked.
    """

    url: str
    audience: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificate_in(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def account_url(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tables of an account that wants bearer tokens."""
    with _azurite("table", certificate, tmp_path_factory.mktemp("azurite") / "log") as url:
        yield url


@pytest.fixture(scope="session")
def blob_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every request for blobs: a line each, as web servers log them."""
    return tmp_path_factory.mktemp("azurite") / "log"


@pytest.fixture(scope="session")
def blob_url(certificate: Certificate, blob_log: Path) -> Iterator[str]:
    """The blobs of an account that wants bearer tokens."""
    with _azurite("blob", certificate, blob_log) as url:
        yield url


@contextmanager
def _azurite(service: str, certificate: Certificate, log: Path) -> Iterator[str]:
    (node, folder), port = installed(), free_port()
    main = str(folder / MAIN).replace("/table/", f"/{service}/")
    options = [f"--{service}Port", str(port), "--oauth", "basic", "--disableTelemetry", "--inMemoryPersistence"]
    options += ["--cert", str(certificate.path), "--key", str(certificate.key), "--skipApiVersionCheck"]
    command = [node.executable, "--require", str(NPM / "exit_with_parent.cjs"), main, *options]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True)
    try:
        assert until(lambda: "successfully" in log.read_text(errors="replace") or process.poll() is not None)
        assert process.poll() is None, log.read_text(errors="replace")
        yield f"https://127.0.0.1:{port}/{ACCOUNT}"
    finally:
        close_input(process)
        process.wait(PATIENCE_SECONDS)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with running_platform() as there:
        yield there


@contextmanager
def running_platform() -> Iterator[Platform]:
    """The endpoint by which App Service gives tokens to whoever knows its header."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("X-IDENTITY-HEADER") == HEADER
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            if known:
                there.asked.append(query)
            body = json.dumps(token(there.audience or query["resource"]) if known else {"message": "unknown"}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Platform(f"http://127.0.0.1:{server.server_port}/msi/token")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def environment(account_url: str, certificate: Certificate, platform: Platform) -> dict[str, str]:
    return in_azure(account_url, certificate, platform)


def in_azure(account_url: str, certificate: Certificate, platform: Platform) -> dict[str, str]:
    """The settings of an app in Azure, and the certificate that this account shows."""
    return {
        "SCIM_STORAGE_ACCOUNT_URL": account_url,
        "SCIM_STORAGE_IDENTITY_CLIENT_ID": CLIENT_ID,
        "IDENTITY_ENDPOINT": platform.url,
        "IDENTITY_HEADER": HEADER,
        "SSL_CERT_FILE": str(certificate.path),
    }


def token(audience: str = "https://storage.azure.com") -> dict[str, str]:
    """A token as the platform gives it, for an hour."""
    now = int(time.time())
    claims = {"aud": audience, "iss": "https://sts.windows.net/0", "iat": now, "nbf": now - 60, "exp": now + 3600}
    parts = [{"alg": "RS256", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    expires = str(now + 3600)
    return {
        "access_token": ".".join([*encoded, "c2lnbmF0dXJl"]),
        "expires_on": expires,
        "resource": audience,
        "token_type": "Bearer",
    }
