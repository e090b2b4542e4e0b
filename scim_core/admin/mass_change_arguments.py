"""The arguments of the commands about mass changes: `admin undo`, `tenants change --hold`, `tenants release`."""

import argparse


def undo(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    command.description = (
        "Finds who was deactivated, deleted or removed from a group in a time: by a wrong scope in the identity "
        "provider, for example. Without --yes it only lists them. With --yes, who was deactivated is active again, who "
        "was deleted is there again with id and memberships, and who was removed from a group is a member again. Who "
        "was changed since is listed and left alone. Run it again if it was interrupted. Exits with 1 if somebody is "
        "left alone."
    )
    command.add_argument("tenant", help="the tenant's id")
    command.add_argument(
        "--from", required=True, dest="since", metavar="TIME", help="undo changes from this instant on, in UTC"
    )
    command.add_argument(
        "--to",
        required=True,
        dest="until",
        metavar="TIME",
        help="and before this one: 2026-11-26T09:30:00Z. One that is later than now means now",
    )
    command.add_argument(
        "--by", default="", metavar="CREDENTIAL", help="only changes by this credential: its id, or its name in the log"
    )
    command.add_argument("--yes", action="store_true", help="do it")


def hold(change: argparse.ArgumentParser, release: argparse.ArgumentParser) -> None:
    """What `tenants change` takes in addition, and what `tenants release` takes."""
    change.add_argument(
        "--hold",
        choices=["on", "off"],
        help="on: after many users left within an hour, further deactivations and deletions get 429 until `tenants "
        "release`; off (the usual): they go on",
    )
    release.add_argument("tenant", help="its id")
