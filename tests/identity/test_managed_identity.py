"""The way to Table Storage in Azure: over HTTPS, by a token of the app's identity, and no key anywhere."""

import hashlib
import subprocess
import sys
from pathlib import Path

import httpx

from tests.commands import run_process
from tests.identity.conftest import CLIENT_ID, Platform
from tests.running import ROOT, clean_environment, running_app
from tests.worker.processes import PATIENCE_SECONDS

TOKEN = "a-token-of-this-test"


def run(environment: dict[str, str], command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a new process: SSL_CERT_FILE is read when the program is loaded."""
    return subprocess.run(
        [sys.executable, "-m", "scim_core.admin", command, *arguments],
        cwd=ROOT,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_endpoint_keeps_its_directory_with_the_platforms_identity(
    environment: dict[str, str], platform: Platform, tmp_path: Path
) -> None:
    settings = environment | {"SCIM_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest()}
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/scim+json"}
    with (
        running_app(ROOT, settings) as app,
        httpx.Client(base_url=f"{app.url}/scim/v2", headers=headers, timeout=PATIENCE_SECONDS) as http,
    ):
        created = http.post("/Users", json={"userName": "ann@example.com"})
        assert created.status_code == 201, created.text
        where = {"filter": 'userName eq "ann@example.com"'}
        assert http.get("/Users", params=where).json()["totalResults"] == 1
        assert http.delete(f"/Users/{created.json()['id']}").status_code == 204
        assert http.post("/Users", json={"userName": "bob@example.com"}).status_code == 201
    # One token serves for its hour, and it was asked for the identity that the settings name.
    [asked] = platform.asked
    assert asked["client_id"] == CLIENT_ID
    assert asked["resource"] == "https://storage.azure.com"

    exported = run(environment, "export", str(tmp_path / "file"))
    assert exported.returncode == 0, exported.stderr
    assert "1 rows" in exported.stdout
    assert "Every invariant holds" in run(environment, "check").stdout


def test_a_token_for_something_else_is_refused_with_a_sentence(environment: dict[str, str], platform: Platform) -> None:
    platform.audience = "https://vault.azure.net"
    done = run(environment, "check")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("admin check: Table Storage refused this application")
    assert "Traceback" not in done.stderr


def test_a_certificate_that_nobody_vouches_for_ends_the_call(environment: dict[str, str]) -> None:
    del environment["SSL_CERT_FILE"]
    done = run_process(environment, "check")

    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "did not answer" in done.stderr


def test_without_the_platforms_header_there_is_no_token(environment: dict[str, str], platform: Platform) -> None:
    done = run_process(environment | {"IDENTITY_HEADER": "wrong"}, "check")

    assert (done.returncode, platform.asked, "Traceback" in done.stderr) == (2, [], False)
    assert "wrong" not in done.stderr
