"""The setup page as the function app serves it: the cookie passes the worker and the host, and a cut token is told."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from devhost.azurite import Azurite
from scim_core.endpoint.setup.setup_endpoint import COOKIE
from tests.commands import run_process
from tests.running import RunningEndpoint, running_tenants

pytestmark = pytest.mark.processes

SHOWN_SECONDS = 20
"""Longest wait for what is written after an answer. Only a failure takes so long."""


@pytest.fixture(scope="module", params=["grpc", "proxy"])
def app(request: pytest.FixtureRequest, azurite: Azurite) -> Iterator[RunningEndpoint]:
    with running_tenants(azurite, SCIM_HTTP=request.param) as running:
        yield running


def test_from_the_command_to_a_cut_token_on_the_page(app: RunningEndpoint) -> None:
    made = run_process(app.storage, "--url", app.app.url, "--json", "tenants", "create", "Contoso", "--setup-link")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    with httpx.Client(base_url=app.app.url, headers={"sec-fetch-site": "same-origin"}) as browser:
        assert "Open your setup page" in browser.get("/setup").text
        opened = browser.post("/setup", data={"link": told["setupLink"]})
        assert (opened.status_code, opened.headers["location"]) == (303, "/setup")
        cookie = opened.headers["set-cookie"].lower()
        for part in (f"{COOKIE}=contoso.", "path=/setup", "secure", "httponly", "samesite=strict", "max-age="):
            assert part.lower() in cookie
        session = {"cookie": opened.headers["set-cookie"].partition(";")[0]}
        page = browser.get("/setup", headers=session)
        assert "Connect Contoso" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert browser.get("/setup/assets/style.css").headers["content-type"].startswith("text/css")
        assert browser.post("/setup", data={"link": told["setupLink"]}).status_code == 403
        cut = {"authorization": f"Bearer {told['secret'][:-5]}"}
        assert browser.get("/scim/v2/Users", headers=cut).status_code == 401
        deadline = time.monotonic() + SHOWN_SECONDS
        while "401: the token is cut" not in browser.get("/setup", headers=session).text:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert told["setupLink"].rpartition(".")[2] not in app.app.said()
    assert session["cookie"].rpartition(".")[2] not in app.app.said()
