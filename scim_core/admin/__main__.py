"""`python -m scim_core.admin`: reads arguments and environment, runs one command, says what went wrong."""

import asyncio
import base64
import getpass
import json
import logging
import os
import secrets
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from scim_core.access.administration import Administration
from scim_core.access.applications import Applications
from scim_core.access.audit_trail import AuditTrail
from scim_core.admin import (
    audit,
    check,
    compare,
    export,
    feed,
    history,
    hooks,
    import_,
    lint_mapping,
    registry,
    reindex,
    release,
    undo,
    users,
)
from scim_core.admin.actor import operator
from scim_core.admin.apps import AppCommands
from scim_core.admin.arguments import parser
from scim_core.admin.commands import Commands
from scim_core.admin.doctor import command as doctor
from scim_core.admin.doctor import tenant as tenant_doctor
from scim_core.admin.probe import Probe
from scim_core.admin.schemas import SchemaCommands
from scim_core.admin.smoke_test import GivenCredential, SmokeTest, Step
from scim_core.admin.user_list import UserListError
from scim_core.clock import instant_text, utc_now
from scim_core.ids import uuid7
from scim_core.master_key import MASTER_KEY_BYTES
from scim_core.protocol.definition_files import DefinitionError
from scim_core.protocol.synchronization_schema import MappingFileError
from scim_core.registry import RegistryError
from scim_core.settings import MIN_BACKUP_KEY_BYTES, SettingsError, StorageSettings, backup_key, base_url
from scim_core.storage.maintenance.archive import ArchiveError
from scim_core.storage.maintenance.signing import BackupKey
from scim_core.storage.port import StorageError
from scim_core.storage.tables import table_registry

ON_ROWS = {
    "check": check.run,
    "export": export.run,
    "feed": feed.run,
    "hooks": hooks.run,
    "import": import_.run,
    "registry": registry.run,
    "reindex": reindex.run,
    "undo": undo.run,
    "users": users.run,
}
"""The commands that work on the rows of a tenant's directory, or of the registry."""


def _random(length: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(length)).decode()


async def _console(given: Namespace, settings: StorageSettings) -> int:
    from scim_core.admin import console  # noqa: PLC0415 -- no other command loads the pages

    return await console.run(given, settings)


def _signing_key() -> str:
    from scim_core.access.oauth.local_key import new_signing_key  # noqa: PLC0415 -- no other command needs PyJWT

    return new_signing_key()


NEW_KEYS: dict[str, Callable[[], str]] = {
    "signing-key": _signing_key,
    "backup-key": partial(_random, MIN_BACKUP_KEY_BYTES),
    "master-key": partial(_random, MASTER_KEY_BYTES),
}
"""The commands that make a key, and how."""

READING = {
    "audit": audit.run,
    "compare": compare.run,
    "console": _console,
    **dict.fromkeys(history.COMMANDS, history.run),
}
"""The commands that only read, or make their own trail."""

ON_NO_TABLE = frozenset({*NEW_KEYS, "lint-mapping", "smoke-test", "doctor"})
"""The commands that need no setting of a storage."""

FINDING = frozenset({*ON_ROWS, *history.COMMANDS, "compare", "lint-mapping", "doctor"})
"""The commands whose exit code 1 says that something was found."""

TELLING = (
    RegistryError,
    SettingsError,
    StorageError,
    ArchiveError,
    DefinitionError,
    MappingFileError,
    UserListError,
    OSError,
)
"""What a command may fail with. The text of each says what to do."""

CONTINUED = frozenset({"export", "import", "registry", "reindex", "undo"})
"""The commands that continue where they were interrupted."""


class AuditFormatter(logging.Formatter):
    """Formats an audit record as a line of JSON, and any other record as its text."""

    FIELDS = ("event", "method", "tenant", "credential", "correlation_id")

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        found = {name: getattr(record, name) for name in self.FIELDS if getattr(record, name, "")}
        return json.dumps({"audit": found}) if "event" in found else super().format(record)


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code. 0: done. 1: the command failed, or a check or a smoke test found something. 130: interrupted.

    2: the arguments are wrong, or the command could not work on the rows or the file, or look at the deployment.
    A failure is told on standard error.
    """
    given = parser().parse_args(arguments)
    try:
        return asyncio.run(_run(given, environment))
    except TELLING as error:
        print(f"admin {given.command}: {error}", file=sys.stderr)
        return 2 if given.command in FINDING else 1
    except KeyboardInterrupt:
        if given.command in CONTINUED:
            print(f"admin {given.command}: interrupted. Run the same command again to continue.", file=sys.stderr)
        return 130


async def _run(given: Namespace, environment: Mapping[str, str]) -> int:
    if given.command in ON_NO_TABLE:
        return await _on_no_table(given, environment)
    chosen = _chosen(given, environment)
    settings = StorageSettings.from_environment(chosen)
    given.schemas = chosen.get("SCIM_SCHEMA_DIRECTORY", "")
    if given.command in READING:
        given.environment = chosen
        return await READING[given.command](given, settings)
    tenants = table_registry(settings)
    now = utc_now()
    trail = AuditTrail(tenants, partial(operator, settings), clock=utc_now, correlation_id=uuid7(now))
    try:
        work = release.run if getattr(given, "action", "") == "release" else ON_ROWS.get(given.command)
        if work is not None:
            secret = backup_key(chosen)
            given.backup_key = BackupKey(secret) if secret else None
            given.trail = trail
            given.environment = chosen
            return await work(given, settings)
        if given.action in ("list", "show"):  # whatever changes something is refused
            await registry.warn_if_elsewhere(tenants.rows)
        administration = Administration(tenants, trail, clock=utc_now, pause=asyncio.sleep)
        match given.command:
            case "apps":
                await _apps(given, Applications(tenants, trail, utc_now), chosen, now).run()
            case "schemas":
                await SchemaCommands(administration, given, tell=print).run()
            case _:
                await _commands(given, administration, chosen, now).run()
    finally:
        await tenants.close()
    return 0


async def _on_no_table(given: Namespace, environment: Mapping[str, str]) -> int:
    match given.command:
        case "lint-mapping":
            chosen = _chosen(given, environment)
            given.schemas = chosen.get("SCIM_SCHEMA_DIRECTORY", "")
            return await lint_mapping.run(given, StorageSettings.from_environment(chosen) if given.tenant else None)
        case "smoke-test":
            return await _smoke_test(given, environment)
        case "doctor" if bool(given.tenant) == bool(given.deployment):
            raise SettingsError("Say what to look at: the id of a tenant, or --deployment with a resource group.")
        case "doctor" if given.tenant:
            chosen = _chosen(given, environment)
            given.schemas = chosen.get("SCIM_SCHEMA_DIRECTORY", "")
            return await tenant_doctor.run(given, StorageSettings.from_environment(chosen))
        case "doctor":
            return await doctor.run(given, environment)
        case _:
            print(NEW_KEYS[given.command]())
    return 0


def _commands(given: Namespace, administration: Administration, chosen: Mapping[str, str], now: datetime) -> Commands:
    return Commands(
        administration,
        given,
        base_url=base_url(chosen.get("SCIM_PUBLIC_BASE_URL", ""), required=False),
        now=instant_text(now),
        tell=print,
        progress=lambda text: print(text, file=sys.stderr),
    )


def _apps(given: Namespace, applications: Applications, chosen: Mapping[str, str], now: datetime) -> AppCommands:
    address = base_url(chosen.get("SCIM_PUBLIC_BASE_URL", ""), required=False)
    return AppCommands(applications, given, base_url=address, now=instant_text(now), tell=print)


def _chosen(given: Namespace, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment. An argument takes precedence over its variable."""
    chosen = dict(environment)
    if given.storage_account:
        account = given.storage_account
        url = account if "://" in account else f"https://{account}.table.core.windows.net"
        chosen |= {"SCIM_STORAGE_ACCOUNT_URL": url, "SCIM_STORAGE_CONNECTION": ""}
    if given.table:
        chosen["SCIM_TABLE_NAME"] = given.table
    if given.schemas:
        chosen["SCIM_SCHEMA_DIRECTORY"] = given.schemas
    if given.url:
        chosen["SCIM_PUBLIC_BASE_URL"] = given.url
    return chosen


async def _smoke_test(given: Namespace, environment: Mapping[str, str]) -> int:
    secret = _secret(given.credential_from, environment)
    credential = GivenCredential(secret, given.client_id, given.assertion, given.send, given.token_endpoint)
    steps: list[Step] = []

    def told(step: Step) -> None:
        steps.append(step)
        if not given.json:
            print(f"WRONG  {step.name}\n       {step.wrong}" if step.wrong else f"ok     {step.name}")

    async with Probe() as probe:
        good = await SmokeTest(probe, given.tenant_url, credential, told).run()
    if given.json:
        found: list[dict[str, Any]] = [{"step": step.name, "wrong": step.wrong or None} for step in steps]
        print(json.dumps({"good": good, "steps": found}, indent=2))
    return 0 if good and not any(step.wrong for step in steps) else 1


def _secret(variable: str | None, environment: Mapping[str, str]) -> str:
    """The credential, read so that no other user of the machine sees it. Raises SettingsError when there is none."""
    if variable:
        secret = environment.get(variable, "")
    elif sys.stdin.isatty():
        secret = getpass.getpass("Credential: ")
    else:
        secret = sys.stdin.readline()
    if not secret.strip():
        raise SettingsError(f"There is no credential {f'in {variable}' if variable else 'on standard input'}.")
    return secret.strip()


def log_to_standard_error() -> None:
    """Audit records and warnings go to standard error, one line each. What a command prints goes to standard output."""
    handler = logging.StreamHandler()
    handler.setFormatter(AuditFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("scim_core.access.audit").setLevel(logging.INFO)


if __name__ == "__main__":
    log_to_standard_error()
    sys.exit(main(sys.argv[1:], os.environ))
