"""The arguments of `admin schemas`."""

import argparse

_NAMES = "a resource type by its name, an extension by its URN"


def describe(schemas: argparse.ArgumentParser) -> None:
    """The parser takes the arguments of these commands."""
    schemas.description = (
        "Which resource types and extensions your customers have. Give the folder of your own files with --schemas, or "
        "in SCIM_SCHEMA_DIRECTORY. Every instance knows of a change within a minute."
    )
    actions = schemas.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("list", help="list all that there are, or what one tenant has")
    show.add_argument("tenant", nargs="?", default="", help="the tenant's id")
    for name, text in (("allow", "let a tenant have some"), ("deny", "take some away; what is stored stays")):
        change = actions.add_parser(name, help=text)
        change.add_argument("tenant", help="the tenant's id")
        change.add_argument("names", nargs="+", metavar="NAME", help=_NAMES)
    default = actions.add_parser("default", help="take back what was allowed and denied: it has what is on by default")
    default.add_argument("tenant", help="the tenant's id")
    default.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {_NAMES} (default: all)")
