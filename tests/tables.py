"""Tables of the Azurite that a whole test run shares: each has a name that nobody else has."""

import itertools

from devhost.azurite import Azurite

_numbers = itertools.count(1)


def new_table(azurite: Azurite) -> dict[str, str]:
    """The settings that name a table which nobody has used."""
    return {"SCIM_STORAGE_CONNECTION": azurite.connection_string, "SCIM_TABLE_NAME": f"test{next(_numbers)}"}
