"""`python -m infra.way_in`: a way in for an operator where private networking has closed storage and vault.

It lets one address through, runs a command, and closes again, also when the command fails or is interrupted. Then Azure
is as the deployment made it. The next deployment closes as well. docs/operate/keys.md has examples.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from infra.tools import ToolError, run

WAIT_SECONDS = 60
"""Azure says that a rule of a storage account may need a minute to take effect."""

ENDING_SECONDS = 5
"""What the command gets to end by itself, before it is killed: until then the way in is open."""

_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Windows knows only the first."""

ACCOUNTS = {"data": "stscim", "backup": "stback"}
"""What can be opened, and how infra/main.bicep begins the account's name. The host's account has nothing to see."""

VAULT = "vault"


@dataclass(frozen=True, slots=True)
class Door:
    """A storage account or a vault. `update` and `rule` are the Azure CLI's commands for it."""

    name: str
    update: tuple[str, ...]
    rule: tuple[str, ...]

    def open(self, group: str, address: IPv4Address) -> None:
        """It takes this address, and nobody else from the Internet. Raises ToolError."""
        self._rule("add", group, address)
        self._access("Enabled", group)

    def close(self, group: str, address: IPv4Address) -> None:
        """It takes nobody from the Internet. Raises ToolError."""
        self._access("Disabled", group)
        self._rule("remove", group, address)

    def _access(self, access: str, group: str) -> None:
        run("az", *self.update, "--resource-group", group, "--name", self.name, "--public-network-access", access)

    def _rule(self, verb: str, group: str, address: IPv4Address) -> None:
        option = "--account-name" if self.rule[0] == "storage" else "--name"
        run("az", *self.rule, verb, "--resource-group", group, option, self.name, "--ip-address", str(address))


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command; 1 with a sentence if there was no way in, or if it could not be closed."""
    given = _parser().parse_args(arguments)
    for number in _ENDING:
        signal.signal(number, _end)
    try:
        doors = _doors(given.resource_group, given.to)
        if given.close:
            _close(doors, given)
            return 0
        with _opened(doors, given):
            print(f"Waiting {given.wait} s, until Azure lets {given.address} in ...", file=sys.stderr)
            time.sleep(given.wait)
            return _call(given.command)
    except ToolError as error:
        print(f"way_in: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.way_in", description=__doc__)
    parser.add_argument("--resource-group", required=True, metavar="NAME", help="the deployment's: rg-<environment>")
    parser.add_argument("--address", required=True, type=IPv4Address, help="your own address, as the Internet sees it")
    parser.add_argument(
        "--to",
        nargs="+",
        choices=[*ACCOUNTS, VAULT],
        default=["data"],
        help="what to open: the directory, its backups, the vault (default: data)",
    )
    parser.add_argument("--wait", type=int, default=WAIT_SECONDS, metavar="SECONDS", help="default: %(default)s")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--close", action="store_true", help="only close, after a run that was killed")
    what.add_argument("--run", dest="command", nargs=argparse.REMAINDER, help="the command, and all that follows it")
    return parser


def _doors(group: str, wanted: list[str]) -> list[Door]:
    """What is to be opened. Raises ToolError if something is missing, or is open to everybody."""
    doors = []
    for kind in wanted:
        [name, rules] = _vault(group) if kind == VAULT else _account(group, ACCOUNTS[kind])
        if (rules or {}).get("defaultAction") != "Deny":
            raise ToolError(
                f"{name} is not closed to the Internet: you need no way in, and closing it would stop the app."
            )
        doors.append(
            Door(name, ("keyvault", "update"), ("keyvault", "network-rule"))
            if kind == VAULT
            else Door(name, ("storage", "account", "update"), ("storage", "account", "network-rule"))
        )
    return doors


def _account(group: str, beginning: str) -> tuple[str, Any]:
    accounts = json.loads(run("az", "storage", "account", "list", "--resource-group", group, "--output", "json"))
    for account in accounts:
        if account["name"].startswith(beginning):
            return account["name"], account["networkRuleSet"]
    raise ToolError(f"There is no storage account {beginning}... in {group}.")


def _vault(group: str) -> tuple[str, Any]:
    vaults = json.loads(run("az", "keyvault", "list", "--resource-group", group, "--output", "json"))
    if not vaults:
        raise ToolError(f"There is no vault in {group}.")
    name = vaults[0]["name"]
    shown = json.loads(run("az", "keyvault", "show", "--resource-group", group, "--name", name, "--output", "json"))
    return name, shown["properties"]["networkAcls"]


@contextmanager
def _opened(doors: list[Door], given: argparse.Namespace) -> Iterator[None]:
    try:
        for door in doors:
            door.open(given.resource_group, given.address)
        yield
    finally:
        # A second signal would leave the doors open. `az` inherits that it is ignored.
        for number in (signal.SIGINT, *_ENDING):
            signal.signal(number, signal.SIG_IGN)
        print("Closing ...", file=sys.stderr)
        _close(doors, given)


def _close(doors: list[Door], given: argparse.Namespace) -> None:
    """All are closed. Each is tried. Raises ToolError with what is still open."""
    failed = []
    for door in doors:
        try:
            door.close(given.resource_group, given.address)
        except ToolError as error:
            failed.append(f"{door.name} ({error})")
    if failed:
        raise ToolError(
            f"These may still be open for {given.address}: {', '.join(failed)}. Run this again with --close."
        )
    print("Closed again.", file=sys.stderr)


def _call(command: list[str]) -> int:
    process = subprocess.Popen(command)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # Ctrl-C has reached it, too
        raise
    except SystemExit:
        process.terminate()
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
