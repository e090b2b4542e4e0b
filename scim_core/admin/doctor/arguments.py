"""What `admin doctor` can be asked."""

import argparse

from scim_core.admin.doctor.management import CLOUDS


def add_to(doctor: argparse.ArgumentParser) -> None:
    """The arguments of the command `doctor` are those of this module."""
    doctor.description = (
        "Looks at one customer, or at a deployment, with your Azure login (az login). It changes nothing. Each finding "
        "says what to do. Exit code 0: all is well. 1: something is wrong. 2: something could not be looked at."
    )
    doctor.add_argument("tenant", nargs="?", default="", help="the tenant's id")
    doctor.add_argument(
        "--deployment", default="", metavar="GROUP", help="instead, its resource group: AZURE_RESOURCE_GROUP"
    )
    doctor.add_argument(
        "--subscription",
        default="",
        metavar="ID",
        help="its subscription (default: AZURE_SUBSCRIPTION_ID, or your only one)",
    )
    doctor.add_argument(
        "--cloud", choices=CLOUDS, default="AzureCloud", help="one of Azure's clouds (default: %(default)s)"
    )
    doctor.add_argument(
        "--credential-from",
        metavar="VARIABLE",
        help="try searches, too, with the credential in this environment variable",
    )
    doctor.add_argument(
        "--client-id", default="", help="the credential is this client's secret: get an access token first"
    )
