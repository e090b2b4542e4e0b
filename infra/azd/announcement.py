"""After azd has deployed: what was minted is told once, with what a smoke test says. Then it is forgotten."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from infra.azd.kept import Minted, forget
from infra.tools import run

ATTEMPTS = 120
PAUSE_SECONDS = 5
"""Ten minutes in all: Azure says that a role may need five to ten minutes to take effect."""

ANSWER_SECONDS = 30
"""Longest wait for an answer: the first one may have to wait for an instance to start."""

_TO_PASTE = """
Paste this into Entra (Provisioning > Connectivity). The token is shown only now, and is kept nowhere:

  Tenant URL    {url}
  Secret Token  {token}

"""

_REGISTRY = """
The service is ready for customers. Each one is a tenant with its own credentials. Make the first one (docs/operate.md).
It takes your Azure login, which needs the role of an operator; in dev, whoever has deployed has it:

  {python} -m scim_core.admin --storage-account {account} --url {origin} tenants create "Contoso Ltd"

"""


@dataclass(frozen=True, slots=True)
class Outside:
    """How the world outside is asked. `ails` says what is wrong at /health; `test` is true if all went well."""

    ails: Callable[[str], str]
    test: Callable[[str, str], bool]
    pause: Callable[[float], None]


def announce(environment: Mapping[str, str], folder: Path, outside: Outside, tell: Callable[[str], None]) -> bool:
    """Whether all is well. What was minted is told and forgotten, here and in azd's environment. Raises ToolError."""
    kept = Minted.read(folder)
    if kept is None:
        return True
    value = environment.get(kept.setting, "")
    if value and not kept.fills(value):
        forget(folder)
        tell(f"{kept.setting} was given another value, so what was made before is not valid any more.")
        return True
    url = environment["TENANT_URL"]
    good, result = _tried(environment, url, kept, outside, tell)
    if kept.token:
        tell(_TO_PASTE.format(url=url, token=kept.token) + result)
    else:
        tell(_REGISTRY.format(python=sys.executable, account=_account(environment), origin=_origin(url)) + result)
    if value:
        # Otherwise the next deployment would put it back, after somebody has rotated the secret in the vault.
        run("azd", "env", "set", kept.setting, "")
    forget(folder)  # last: if azd fails, the next run tells it again, and clears the setting
    return good


def outside() -> Outside:
    """The real one."""
    return Outside(_ails, _smoke_test, time.sleep)


def _tried(
    environment: Mapping[str, str], url: str, kept: Minted, outside: Outside, tell: Callable[[str], None]
) -> tuple[bool, str]:
    if environment.get("SCIM_RESTRICT_TO_ENTRA") == "true":
        return True, "It was not tried from here: only Entra gets answers (restrictToEntra)."
    again = f"Try it later: {sys.executable} -m scim_core.admin smoke-test {url}"
    if not _healthy(f"{_origin(url)}/health", outside, tell):
        return False, f"It does not answer as it should yet. {again}"
    if not kept.token:
        return True, "It answers."
    if outside.test(url, kept.token):
        return True, "The smoke test went well: a test user was created, changed and deleted."
    return False, f"The smoke test found what is above. {again}"


def _healthy(url: str, outside: Outside, tell: Callable[[str], None]) -> bool:
    before = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            outside.pause(PAUSE_SECONDS)
        said = outside.ails(url)
        if not said:
            return True
        if said != before:
            tell(f"Waiting for {url}: {said}")
        before = said
    return False


def _ails(url: str) -> str:
    try:
        with urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 -- the deployment's own address
            health = json.loads(answer.read())
    except HTTPError as error:
        return f"the answer is {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))
    good = isinstance(health, dict) and health.get("status") == "ok"
    return "" if good else "the app runs, but its storage does not answer it yet"


def _smoke_test(url: str, token: str) -> bool:
    command = [sys.executable, "-m", "scim_core.admin", "smoke-test", url]
    return subprocess.run(command, input=token + "\n", text=True, check=False).returncode == 0


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _account(environment: Mapping[str, str]) -> str:
    return (urlsplit(environment.get("SCIM_STORAGE_ACCOUNT_URL", "")).hostname or "").partition(".")[0]
