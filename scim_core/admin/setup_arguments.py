"""The arguments of the commands about setup links."""

import argparse
from typing import Any

from scim_core.access.setup_plans import DEFAULT_LINK_DAYS, MAX_LINK_DAYS


def add(actions: Any, create: argparse.ArgumentParser) -> None:
    """The commands among the actions of `tenants`, and what `tenants create` takes."""
    create.add_argument(
        "--setup-link",
        action="store_true",
        help=f"also print a link, good for {DEFAULT_LINK_DAYS} days, that opens the customer's setup page once",
    )
    link = actions.add_parser("setup-link", help="print a new link that opens the customer's setup page once")
    link.description = "The link that the tenant had before, and the page that it opened, end with it."
    link.add_argument("tenant", help="its id")
    link.add_argument(
        "--expires",
        type=int,
        default=DEFAULT_LINK_DAYS,
        metavar="DAYS",
        help=f"when the link and the page that it opens end, at most after {MAX_LINK_DAYS} days (default: %(default)s)",
    )
    actions.add_parser("revoke-setup-link", help="end its setup link, and the page that it opened").add_argument(
        "tenant", help="its id"
    )
