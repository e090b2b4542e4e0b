"""Azurite's queue service, for tests that put messages into a queue of Azure Storage."""

import base64
import hmac
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree as ET

import httpx

from devhost.azurite import ACCOUNT, KEY, NPM, free_port, installed
from scim_core.clock import utc_now

MAIN = Path("node_modules/azurite/dist/src/queue/main.js")


class QueueEmulator:
    """A running queue service. It makes queues, and takes messages out as a consumer does."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        self.connection_string = f"AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={self.url};"

    def create(self, queue: str) -> None:
        """There is an empty queue of this name."""
        assert self._send("PUT", f"/{queue}").status_code in (201, 204)
        assert self._send("DELETE", f"/{queue}/messages").status_code == 204

    def messages(self, queue: str) -> list[str]:
        """The texts that are in the queue now."""
        answer = self._send("GET", f"/{queue}/messages?numofmessages=32&peekonly=true")
        assert answer.status_code == 200
        return [item.text or "" for item in ET.fromstring(answer.text).iter("MessageText")]

    def _send(self, method: str, path: str) -> httpx.Response:
        headers = {"x-ms-date": format_datetime(utc_now(), usegmt=True), "x-ms-version": "2021-12-02"}
        parts = urlsplit(f"{self.url}{path}")
        query = "".join(f"\n{name}:{value}" for name, value in sorted(parse_qsl(parts.query)))
        of_storage = [f"{name}:{value}" for name, value in headers.items()]
        text = "\n".join([method, *[""] * 11, *of_storage, f"/{ACCOUNT}{parts.path}{query}"])
        signature = hmac.digest(base64.b64decode(KEY), text.encode(), sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        return httpx.request(method, f"{self.url}{path}", headers=headers, trust_env=False, verify=False)  # it is http


@contextmanager
def queue_emulator() -> Iterator[QueueEmulator]:
    """Azurite's queues on a free port, in memory. It ends with the block."""
    node, folder = installed()
    port = free_port()
    command = [node.executable, "--require", str(NPM / "exit_with_parent.cjs"), str(folder / MAIN)]
    command += ["--queuePort", str(port), "--inMemoryPersistence", "--disableTelemetry", "--disableProductStyleUrl"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            said = iter(process.stdout.readline, b"")
            assert any(re.search(rb"successfully list", line) for line in said), "it ended"
            yield QueueEmulator(port)
        finally:
            process.communicate()  # closes the pipe by which Azurite knows that it has to end
