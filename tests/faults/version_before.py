"""Two versions side by side: this one, and the version before it, from the commit that version_before.txt names."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bench.commits import CommitError, export
from scim_core.storage.tables import keys
from scim_core.storage.tables.reading import read_range
from scim_core.storage.tables.rows import Rows
from tests.forked_commands import forked_commands
from tests.running import ROOT, RunningApp, clean_environment, running_app

COMMIT = Path(__file__).with_name("version_before.txt").read_text().strip()
"""The commit of the last release. A release puts the one before it here: CONTRIBUTING.md says when."""

NO_TLS = False
"""The addresses are http. Without this, each client would read all authorities of the system: 20 ms."""


def exported(folder: Path, repository: Path = ROOT) -> Path:
    """The working tree of the version before, in this folder. Fails with what to do if the clone lacks the commit."""
    try:
        export(repository, COMMIT, folder)
    except CommitError as error:
        pytest.fail(f"{error}\nThe clone lacks the version before. A shallow one gets it by: git fetch --unshallow")
    return folder


def file_of_commit(name: str) -> str:
    """The text of a file of the version before."""
    with tempfile.TemporaryDirectory() as folder:
        return (exported(Path(folder)) / name).read_text()


@dataclass(frozen=True)
class Version:
    """A running version: the working tree that it is from, its address, and the settings that it runs with."""

    root: Path
    app: RunningApp
    settings: Mapping[str, str]

    def send(self, method: str, path: str, bearer: str, body: Any = None, **query: Any) -> httpx.Response:
        """The answer to a SCIM request."""
        url = f"{self.app.url}/scim/v2{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/scim+json"}
        with httpx.Client(trust_env=False, timeout=60, verify=NO_TLS) as client:
            return client.request(method, url, headers=headers, content=json.dumps(body) if body else None)

    def found(self, path: str, bearer: str, **query: Any) -> list[Any]:
        """The resources of a page."""
        answer = self.send("GET", path, bearer, **query)
        assert answer.status_code == 200, answer.text
        resources: list[Any] = answer.json()["Resources"]
        return resources

    def document(self, path: str, bearer: str) -> Any:
        """The resource at this path."""
        answer = self.send("GET", path, bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def access_token(self, client_id: str, secret: str, scope: str = "scim") -> str:
        """An access token of the client."""
        form = {"grant_type": "client_credentials", "scope": scope}
        with httpx.Client(trust_env=False, timeout=60, verify=NO_TLS) as client:
            answer = client.post(f"{self.app.url}/oauth2/token", data=form, auth=(client_id, secret))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def administered(self, *given: str) -> str:
        """What a command of this version prints; it must succeed."""
        surroundings = {**clean_environment(self.root), **self.settings}
        done = forked_commands(self.root).run(list(given), surroundings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def running(root: Path, settings: Mapping[str, str], **further: str) -> Iterator[Version]:
    """The version of this working tree, with these settings."""
    given = dict(settings) | further
    with running_app(root, given, ("--quiet",), root=root) as app:
        yield Version(root, app, given)


async def all_keys(rows: Rows) -> set[str]:
    """The keys of all rows of the table, each as partition/row."""
    found: set[str] = set()
    partition = await rows.partition_after("")
    while partition is not None:
        read = await read_range(rows, partition, keys.everything(), select="RowKey")
        found |= {f"{partition}/{row.properties['RowKey']}" for row in read}
        partition = await rows.partition_after(partition)
    return found
