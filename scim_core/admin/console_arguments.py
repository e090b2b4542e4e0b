"""The arguments of `admin console`. They load no page: all commands have their arguments read with these."""

from argparse import ArgumentParser

from scim_core.console.visitors import VisitorRole


def console(parser: ArgumentParser) -> None:
    """What the command takes."""
    parser.description = (
        "Serves the console on this machine until Ctrl-C, for the browser that opens the link, with your own sign-in."
    )
    parser.add_argument(
        "--role",
        choices=[str(role) for role in VisitorRole],
        default=str(VisitorRole.OPERATOR),
        help="viewer: nothing can be changed (default: %(default)s)",
    )
