"""A SCIM 2.0 service provider (RFC 7643, RFC 7644): transport-free, over a storage port."""

import asyncio
from datetime import UTC, datetime

from scim_core.auth import StaticTokens
from scim_core.http import Endpoint
from scim_core.identifiers import Clock, uuid7
from scim_core.messages import ScimRequest, ScimResponse
from scim_core.operations import Operations
from scim_core.schemas import DefinitionError, load_catalogue
from scim_core.search import Search
from scim_core.service_provider import ServiceProvider
from scim_core.settings import Settings, SettingsError
from scim_core.storage import Storage

__all__ = [
    "DefinitionError",
    "Endpoint",
    "ScimRequest",
    "ScimResponse",
    "Settings",
    "SettingsError",
    "back_up",
    "build",
]
__version__ = "0.1.0"


def utc_now() -> datetime:
    """The current instant, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 -- the one clock, handed to everything that needs the time


def build(settings: Settings, storage: Storage | None = None, clock: Clock = utc_now) -> Endpoint:
    """The endpoint of these settings; nothing is read or written before its first request.

    Without a `storage` it is the table that the settings name. Raises DefinitionError for unusable schema files.
    """
    if storage is None:
        from scim_core.tables import table_storage  # noqa: PLC0415 -- tests without Azure need not import its SDK

        storage = table_storage(settings.storage)

    def new_id() -> str:
        return uuid7(clock())

    catalogue = load_catalogue(settings.schema_directory)
    provider = ServiceProvider(storage, catalogue, clock=clock, new_id=new_id, pause=asyncio.sleep)
    operations = Operations(catalogue, provider, Search(storage, clock), storage, version=__version__)
    tokens = StaticTokens(settings.token_sha256)
    return Endpoint(catalogue, operations, tokens, new_id=new_id, public_base_url=settings.public_base_url)


async def back_up(settings: Settings, clock: Clock = utc_now) -> int:
    """How many tenants were exported to the container that the settings name. Raises StorageError when one was not."""
    from scim_core.tables import backup  # noqa: PLC0415 -- nothing that a request needs

    return await backup.back_up(settings.storage, settings.backup_container_url or "", clock)
