"""The arguments of `python -m scim_core.admin`. They never hold a secret: others can see a process's arguments."""

import argparse
from pathlib import Path

from scim_core.access.applications import KINDS as APPLICATION_KINDS
from scim_core.access.credential_plans import DEFAULT_DAYS, MAX_DAYS
from scim_core.access.networks import ANYWHERE, MAX_NETWORKS
from scim_core.access.oauth.entra import APPLICATION, CUSTOM_APPLICATIONS
from scim_core.admin import schema_arguments, setup_arguments
from scim_core.admin.console_arguments import console
from scim_core.admin.doctor import arguments as doctor_arguments
from scim_core.admin.mass_change_arguments import hold, undo
from scim_core.registry import Access, CredentialKind, GroupPatchAnswer
from scim_core.storage.maintenance.revocations import Revoked

DEFAULT_KEEP_DAYS = 7
"""How long a rotated credential stays good, unless the operator says otherwise: time to paste the new one."""

USUAL = "usual"
"""How the operator says that the setting decides."""

KINDS = [str(kind) for kind in CredentialKind]

_ABOUT = """
Manages tenants, their credentials and the rows of their directories. Say where the table is: set
SCIM_STORAGE_CONNECTION or SCIM_STORAGE_ACCOUNT_URL, as the function app has it, or give --storage-account to use your
Azure login. Read docs/connect-entra.md about tenants, and docs/operate.md about the rest.
"""
_KINDS_HELP = (
    "token: a static bearer token; secret: a client id and a client secret; federation: a workload identity of Entra, "
    "without a secret; entra: Entra's own token on each request, for testing"
)


def parser() -> argparse.ArgumentParser:
    """All commands with all of their arguments."""
    main = argparse.ArgumentParser(prog="python -m scim_core.admin", description=_ABOUT)
    main.add_argument("--json", action="store_true", help="print JSON, for scripts")
    main.add_argument("--storage-account", metavar="NAME", help="a storage account in Azure, opened with your login")
    main.add_argument("--table", metavar="NAME", help="the table (default: SCIM_TABLE_NAME, or scim)")
    main.add_argument("--schemas", metavar="DIR", help="your own schema files (default: SCIM_SCHEMA_DIRECTORY)")
    main.add_argument("--url", metavar="URL", help="scheme and host of the service (default: SCIM_PUBLIC_BASE_URL)")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _tenants(commands.add_parser("tenants", help="the customers"))
    _credentials(commands.add_parser("credentials", help="the credentials of one customer"))
    schema_arguments.describe(commands.add_parser("schemas", help="which resource types and extensions a customer has"))
    _apps(commands.add_parser("apps", help="the credentials of your own programs, which reach every customer"))
    _audit(commands.add_parser("audit", help="read the audit trail: who changed what in the registry"))
    _rows(commands)
    _compare(commands.add_parser("compare", help="hold an identity provider's list of users against the directory"))
    _history(commands)
    console(commands.add_parser("console", help="what happened, on pages for your browser, on this machine"))
    _users(commands.add_parser("users", help="erase a person who was deleted"))
    undo(commands.add_parser("undo", help="put back who was deactivated, deleted or removed from a group in a time"))
    _lint_mapping(commands.add_parser("lint-mapping", help="what becomes of each target of an Entra attribute mapping"))
    commands.add_parser("signing-key", help="make a key for SCIM_SIGNING_KEY")
    commands.add_parser("backup-key", help="make a key for SCIM_BACKUP_KEY")
    commands.add_parser("master-key", help="make a key for SCIM_MASTER_KEY")
    _smoke_test(commands.add_parser("smoke-test", help="try a Tenant URL with a credential, as Entra would"))
    doctor_arguments.add_to(
        commands.add_parser("doctor", help="check a customer, or a deployment from outside and from Azure's side")
    )
    return main


def _audit(audit: argparse.ArgumentParser) -> None:
    audit.description = "Prints one record a line, oldest first. With --json, one object a line."
    audit.add_argument("--tenant", default="", metavar="ID", help="only records about this tenant")
    audit.add_argument(
        "--since", default="", metavar="TIME", help="only records from this day or instant on, in UTC: 2026-11-26"
    )
    audit.add_argument(
        "--verify", action="store_true", help="check that no record was changed, removed or put in; 1 if one was"
    )


def _compare(compare: argparse.ArgumentParser) -> None:
    compare.description = (
        "Reads the users that Entra (Download users) or Okta (a report) exports as CSV. Says who is missing here, who "
        "is active here but disabled or gone there, and whose name differs. Changes nothing. Exits with 0 if nothing "
        "differs, with 3 if somebody is active here who is disabled or gone there, with 1 for another difference."
    )
    compare.add_argument("tenant", help="the tenant's id")
    compare.add_argument("file", type=Path, help="the CSV file, with the users that are assigned to the application")
    compare.add_argument(
        "--column",
        action="append",
        default=[],
        dest="columns",
        metavar="ATTRIBUTE=COLUMN",
        help="the column that holds an attribute (userName, active, displayName, name.givenName, name.familyName), if "
        "it is called otherwise than Entra or Okta call it; can be given several times",
    )


def _history(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    who = commands.add_parser("who", help="somebody's present state, and what happened to them")
    who.add_argument("tenant", help="the tenant's id")
    who.add_argument("text", help="a user name, mail, id, external id, or the beginning of one; also of who is deleted")
    why = commands.add_parser("why", help="why somebody is in a group, or not")
    why.add_argument("tenant", help="the tenant's id")
    why.add_argument("user", help="the user's name, mail, id or external id")
    why.add_argument("group", help="the group's name, id or external id")
    refusals = commands.add_parser("refusals", help="what was refused or ignored, by cause, with what to tell")
    refusals.add_argument("tenant", help="the tenant's id")
    log = commands.add_parser("log", help="the provisioning log of one resource, or what was refused and ignored")
    log.add_argument("tenant", help="the tenant's id")
    log.add_argument("--resource", default="", metavar="ID", help="the whole log of this resource")
    log.add_argument("--request", default="", metavar="ID", help="only the request of this id: it ends each error")
    for parser in (refusals, log):
        parser.add_argument(
            "--since", default="", metavar="TIME", help="from this day or instant on, in UTC (default: seven days ago)"
        )


def _users(users: argparse.ArgumentParser) -> None:
    actions = users.add_subparsers(dest="action", required=True, metavar="ACTION")
    forget = actions.add_parser("forget", help="erase a deleted person from the provisioning log")
    forget.add_argument("tenant", help="the tenant's id")
    forget.add_argument("id", help="the id of the user, who must have been deleted")
    forget.add_argument("--confirm", metavar="ID", default="", help="repeat the id")


def _lint_mapping(lint_mapping: argparse.ArgumentParser) -> None:
    lint_mapping.description = (
        "Reads what the Entra admin center exports of an application's provisioning: Edit attribute mappings, Show "
        "advanced options, Review your schema here. Says of each target whether it is stored, ignored or refused. "
        "Exits with 1 if there is something to look at."
    )
    lint_mapping.add_argument("file", type=Path, help="the exported JSON file")
    lint_mapping.add_argument(
        "--tenant", default="", help="judge by what this customer has (`admin schemas`), and not by all files"
    )


def _rows(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser("check", help="check whether a tenant's rows are correct, and repair them")
    check.add_argument("--tenant", default="default", help="the tenant to check (default: %(default)s)")
    check.add_argument("--repair", action="store_true", help="repair what is found")
    export = commands.add_parser("export", help="write a tenant's directory to a file")
    export.add_argument("file", type=Path, help="the file to write; an interrupted export continues its FILE.part")
    export.add_argument("--tenant", default="default", help="the tenant to export (default: %(default)s)")
    reindex = commands.add_parser("reindex", help="complete the indexes that your files declare")
    reindex.add_argument("--tenant", default="default", help="the tenant (default: %(default)s)")
    registry = commands.add_parser("registry", help="move the registry of tenants to SCIM_REGISTRY_TABLE_NAME")
    actions = registry.add_subparsers(dest="action", required=True, metavar="ACTION")
    move = actions.add_parser("move", help="copy it there, and compare; run it again if it was interrupted")
    move.add_argument("--cancel", action="store_true", help="give up a move that has not ended")
    old = actions.add_parser("remove-old", help="remove it from SCIM_TABLE_NAME after the move")
    old.add_argument("--confirm", metavar="TABLE", default="", help="repeat the name of the old table")
    _feed(commands.add_parser("feed", help="the change feed of a tenant"))
    _hooks(commands.add_parser("hooks", help="addresses to which each change is sent"))
    restore = commands.add_parser("import", help="restore a tenant's directory from such a file")
    restore.add_argument("file", type=Path, help="the file that an export wrote")
    restore.add_argument("--tenant", help="the empty tenant to restore into (default: the exported one)")
    restore.add_argument(
        "--revoked",
        choices=[str(choice) for choice in Revoked],
        default=str(Revoked.STAY),
        help="of :registry: what becomes of credentials that were revoked since the export (default: %(default)s)",
    )
    restore.add_argument(
        "--registry-of",
        metavar="TABLE",
        default="",
        help="of :registry: a table whose registry knows what was revoked since (default: the one restored into)",
    )
    restore.add_argument(
        "--unsigned",
        action="store_true",
        help="take a file that is not signed, or with an unknown key: nothing proves that nobody has changed it",
    )


def _feed(feed: argparse.ArgumentParser) -> None:
    actions = feed.add_subparsers(dest="action", required=True, metavar="ACTION")
    new_epoch = actions.add_parser("new-epoch", help="make every copy begin again, with a snapshot")
    new_epoch.add_argument("--tenant", default="", metavar="ID", help="the tenant")
    new_epoch.add_argument("--all", action="store_true", help="all tenants")


def _hooks(hooks: argparse.ArgumentParser) -> None:
    actions = hooks.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="add one; prints the secret by which its receiver checks what comes")
    add.add_argument("target", metavar="URL", help="where to: https://product.example.com/hook, or queue:NAME")
    add.add_argument("--format", choices=["events", "set"], default="", help="events: CloudEvents; set: RFC 9967")
    add.add_argument("--tenant", default="", metavar="ID", help="send the events of this tenant")
    add.add_argument("--all", action="store_true", help="send the events of all tenants")
    add.add_argument("--from", type=int, dest="first", metavar="NUMBER", help="begin there (default: the next change)")
    actions.add_parser("list", help="list them, and how far each has come")
    _hook(actions.add_parser("test", help="send one event about nothing, from this machine"))
    replay = actions.add_parser("replay", help="send entries again, marked as a replay")
    _hook(replay)
    replay.add_argument("--tenant", default="", metavar="ID", help="whose entries (default: the tenant of the hook)")
    what = replay.add_mutually_exclusive_group(required=True)
    what.add_argument("--from", type=int, dest="first", metavar="NUMBER", help="those from this number on")
    what.add_argument("--dead", action="store_true", help="those that were not taken in three days")
    rotate = actions.add_parser("rotate", help="give it another secret; the old one signs, too, for a while")
    _hook(rotate)
    rotate.add_argument(
        "--keep-hours", type=int, default=24, help="how long the old secret signs, too (default: %(default)s)"
    )
    _hook(actions.add_parser("resume", help="go on with one whose receiver has answered 410, where it ended"))
    _hook(actions.add_parser("remove", help="send nothing there any more"))


def _hook(command: argparse.ArgumentParser) -> None:
    command.add_argument("hook", help="its id")


def _tenants(tenants: argparse.ArgumentParser) -> None:
    actions = tenants.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create", help="create a tenant with a first credential; prints what to paste into Entra"
    )
    create.add_argument("name", help="its display name, such as 'Contoso Ltd'")
    create.add_argument("--id", default="", dest="tenant", help="its id (default: made from the name)")
    create.add_argument("--kind", choices=[*KINDS, "none"], default=str(CredentialKind.TOKEN), help=_KINDS_HELP)
    create.add_argument(
        "--reopen",
        action="store_true",
        help="create the tenant default again after its deletion: the token of SCIM_TOKEN_SHA256 opens it then",
    )
    _description(create)
    setup_arguments.add(actions, create)
    actions.add_parser("list", help="list all tenants")
    for name, text in (
        ("show", "show one tenant with its credentials"),
        ("suspend", "answer its requests with 403"),
        ("resume", "answer its requests again"),
    ):
        actions.add_parser(name, help=text).add_argument("tenant", help="its id")
    rename = actions.add_parser("rename", help="give it another display name")
    rename.add_argument("tenant", help="its id")
    rename.add_argument("name", help="the new display name")
    change = actions.add_parser("change", help="change how it is answered, within a minute")
    change.add_argument("tenant", help="its id")
    hold(change, actions.add_parser("release", help="after a mass change, let deactivations and deletions go on"))
    change.add_argument(
        "--group-patch-answer",
        choices=[*filter(None, GroupPatchAnswer), USUAL],
        help=f"what a PATCH of a group answers: 204, nothing; 200, the whole group; {USUAL}, what the setting "
        "SCIM_GROUP_PATCH_ANSWER says",
    )
    delete = actions.add_parser("delete", help="delete it with its whole directory, for good")
    delete.add_argument("tenant", help="its id")
    delete.add_argument(
        "--confirm", metavar="ID", default="", help="repeat the id: a deleted tenant cannot be restored"
    )


def _credentials(credentials: argparse.ArgumentParser) -> None:
    actions = credentials.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create one more; prints what to paste into Entra")
    create.add_argument("tenant", help="the tenant's id")
    create.add_argument("kind", choices=KINDS, help=_KINDS_HELP)
    create.add_argument("--client", default="", metavar="ID", help="add to this client (default: a new one)")
    _description(create)
    actions.add_parser("list", help="list those of a tenant").add_argument("tenant", help="the tenant's id")
    rotate = actions.add_parser("rotate", help="create a new one to replace one that ends soon")
    _existing(rotate)
    _keep_days(rotate)
    _description(rotate)
    change = actions.add_parser("change", help="give it another access or other networks, within a minute")
    _existing(change)
    _limits(change)
    _existing(actions.add_parser("revoke", help="end it and its access tokens within a minute"))
    _existing(actions.add_parser("remove", help="revoke and forget it"))


def _apps(apps: argparse.ArgumentParser) -> None:
    actions = apps.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list them")
    create = actions.add_parser("create", help="create one; prints what your program needs")
    create.add_argument("label", metavar="NAME", help="the program's name, which logs show")
    create.add_argument(
        "--kind",
        choices=[str(kind) for kind in APPLICATION_KINDS],
        default=str(CredentialKind.TOKEN),
        help="token: a static bearer token; secret: a client id and a client secret",
    )
    rotate = actions.add_parser("rotate", help="create a new one to replace one that ends soon")
    rotate.add_argument("credential", help="its id")
    rotate.add_argument("--label", default="", help="another name for it")
    _keep_days(rotate)
    for action in (create, rotate):
        _days(action)
        action.add_argument(
            "--access",
            choices=[str(Access.FEED), str(Access.READ)],
            help="feed: the feed of changes; read: GET and searches of SCIM (a new one has feed)",
        )
        _networks(action)
    for name, text in (("revoke", "end it and its access tokens within a minute"), ("remove", "revoke and forget it")):
        actions.add_parser(name, help=text).add_argument("credential", help="its id")


def _existing(action: argparse.ArgumentParser) -> None:
    action.add_argument("tenant", help="the tenant's id")
    action.add_argument("credential", help="the credential's id")


def _keep_days(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--keep-days",
        type=int,
        default=DEFAULT_KEEP_DAYS,
        help=f"how long both are good (default: {DEFAULT_KEEP_DAYS})",
    )


def _days(action: argparse.ArgumentParser) -> None:
    usual = ", ".join(f"{kind} {days or 'never'}" for kind, days in DEFAULT_DAYS.items())
    action.add_argument(
        "--days", type=int, help=f"days until it expires, at most {MAX_DAYS}, 0 for never (default: {usual})"
    )


def _limits(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--access",
        choices=[str(access) for access in Access],
        help="what it may do: read is GET and searches, feed is the feed of changes and nothing of SCIM (a new one has "
        "write, otherwise it stays as it is)",
    )
    _networks(action)


def _networks(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--network",
        action="append",
        dest="networks",
        metavar="CIDR",
        help=f"a network that it may be used from, such as 192.0.2.0/24; give it up to {MAX_NETWORKS} times, or "
        f"{ANYWHERE!r} alone (a new one may be used from anywhere, otherwise it stays as it is)",
    )


def _description(action: argparse.ArgumentParser) -> None:
    action.add_argument("--label", default="", help="your name for it, which logs show")
    _days(action)
    _limits(action)
    entra = action.add_argument_group("values from Entra, for the kinds federation and entra")
    entra.add_argument("--entra-tenant", default="", metavar="GUID", help="the customer's Entra tenant id")
    entra.add_argument("--subject", default="", help="federation: the Subject on Entra's Connectivity page")
    entra.add_argument(
        "--audience",
        default="",
        help=f"federation: the Audience on that page; entra: the application's id (default: {CUSTOM_APPLICATIONS})",
    )
    entra.add_argument(
        "--application",
        default="",
        metavar="GUID",
        help=f"entra: the application that sends the tokens (default: {APPLICATION})",
    )
    entra.add_argument("--reusable", action="store_true", help="federation: let an assertion be used more than once")


def _smoke_test(smoke_test: argparse.ArgumentParser) -> None:
    smoke_test.description = (
        "Does what Entra's Test Connection does, then creates, changes, disables and deletes a user. Give the "
        "credential on standard input, or name its environment variable with --credential-from."
    )
    smoke_test.add_argument("tenant_url", help="such as https://scim.example.com/scim/v2")
    smoke_test.add_argument("--credential-from", metavar="VARIABLE", help="the environment variable that holds it")
    smoke_test.add_argument(
        "--client-id", default="", help="get an access token first: the credential is this client's secret"
    )
    smoke_test.add_argument("--assertion", action="store_true", help="the credential is a client assertion instead")
    smoke_test.add_argument(
        "--token-endpoint", default="", metavar="URL", help="where to get it (default: /oauth2/token on the host)"
    )
    smoke_test.add_argument(
        "--send",
        choices=["header", "body", "both"],
        default="header",
        help="where the secret is sent (default: header)",
    )
