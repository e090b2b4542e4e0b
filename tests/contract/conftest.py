"""The two ways to a table that the suite of the wire compares: over HTTP with a key, over HTTPS with a token."""

import ssl
from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from devhost.azurite import Azurite
from scim_core.storage.tables.client import Connection
from tests.certificates import Certificate
from tests.contract.sides import PauselessTransport, Sides, side, with_key, with_token
from tests.identity.conftest import account_url, certificate
from tests.tables import new_table

__all__ = ["account_url", "certificate"]


@pytest.fixture(scope="session")
def trusting(certificate: Certificate) -> ssl.SSLContext:
    """It trusts the certificate of the account. Making one reads all authorities of the system: 50 ms."""
    return ssl.create_default_context(cafile=certificate.path)


@pytest.fixture(params=["http with a key", "https with a token"])
async def sides(request: pytest.FixtureRequest, azurite: Azurite) -> AsyncIterator[Sides]:
    """Two tables that nobody has used."""
    connector = TCPConnector(ssl=request.param == "http with a key" or request.getfixturevalue("trusting"))

    async with ClientSession(connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False) as session:

        def connect(table: str) -> Connection:
            transport = PauselessTransport(session=session, session_owner=False)
            if request.param == "http with a key":
                return with_key(azurite.connection_string, table, transport)
            return with_token(request.getfixturevalue("account_url"), table, transport)

        names = [new_table(azurite)["SCIM_TABLE_NAME"] for _ in range(2)]
        one, other = (side(partial(connect, name)) for name in names)
        found = Sides(one, other)
        yield found
        await found.close()
