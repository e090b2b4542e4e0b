"""Drives scim2-cli, a client that reads the endpoint's own discovery before each command and checks every answer."""

import gc
import json
import secrets
import warnings
from typing import Any

from click.testing import CliRunner, Result
from scim2_cli import cli


class _CommandLine:
    """The commands of one session. `results` says of each what was wrong with it, or nothing."""

    def __init__(self, base_url: str, token: str) -> None:
        self.results: dict[str, str] = {}
        self._environment = {
            "SCIM_CLI_URL": base_url,
            "SCIM_CLI_HEADERS": f"Authorization: Bearer {token}",
            "NO_PROXY": "localhost,127.0.0.1",
        }

    def right(self, name: str, *arguments: str, expected: dict[str, Any] | None = None) -> Any:
        """The document that the command prints. It must have the expected members."""
        result = self._run(*arguments)
        document = json.loads(result.stdout) if result.stdout.strip() else {}
        missing = {key: value for key, value in (expected or {}).items() if document.get(key) != value}
        self.results[name] = f"{result.output}\nexpected: {missing}" if result.exit_code or missing else ""
        return document

    def refused(self, name: str, status: int, *arguments: str) -> None:
        """The endpoint must refuse the command with this status."""
        result = self._run(*arguments)
        self.results[name] = "" if result.exit_code and f"{status}" in result.stderr else result.output

    def _run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, env=self._environment)


def commands(base_url: str, token: str) -> dict[str, str]:
    """The life of a user and of a group. Empty text for each command that was right, else what it said."""
    line = _CommandLine(base_url, token)
    with warnings.catch_warnings():
        # A command ends its process and closes no connection before. Here it is no process of its own.
        warnings.simplefilter("ignore", ResourceWarning)
        _life(line)
        gc.collect()
    return line.results


def _life(line: _CommandLine) -> None:
    name, group_name = f"bjensen-{secrets.token_hex(5)}", f"Tour Guides {secrets.token_hex(5)}"
    email = json.dumps([{"value": f"{name}@example.com", "type": "work", "primary": True}])
    user = line.right("create user", "create", "user", "--user-name", name, "--emails", email)["id"]
    line.refused("create the same user", 409, "create", "user", "--user-name", name.upper())
    line.right("query user", "query", "user", user, expected={"id": user, "userName": name})
    by_name = f'userName eq "{name}"'
    line.right("query by name", "query", "user", "--filter", by_name, expected={"totalResults": 1})
    line.right("search by name", "search", "--filter", by_name, expected={"totalResults": 1})
    change = ("replace", "displayName", "Barbara", "remove", 'emails[type eq "work"]', "replace", "active", "false")
    changed = {"displayName": "Barbara", "active": False, "emails": None}
    line.right("modify user", "modify", "user", user, *change, expected=changed)
    members = json.dumps([{"value": user}])
    group = line.right("create group", "create", "group", "--display-name", group_name, "--members", members)["id"]
    line.right("rename group", "modify", "group", group, "replace", "displayName", f"{group_name} 2")
    line.right("query group", "query", "group", group, expected={"displayName": f"{group_name} 2"})
    line.right("remove member", "modify", "group", group, "remove", f'members[value eq "{user}"]')
    line.right("query empty group", "query", "group", group, expected={"members": None})
    line.right("delete group", "delete", "group", group)
    line.right("delete user", "delete", "user", user)
    line.refused("query deleted user", 404, "query", "user", user)
    line.right("create user again", "create", "user", "--user-name", name, expected={"userName": name})
