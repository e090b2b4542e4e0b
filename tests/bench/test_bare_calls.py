"""The benchmarks compare an operation with its calls to Table Storage: these must be the calls that it makes."""

from bench.apps import environment
from bench.base import prepare
from bench.operations import OPERATIONS, Client
from bench.transcripts import CallCounter
from devhost.azurite import Azurite
from scim_core import Settings

TOKEN = "a token of this test alone"
USERS = 110
ROUND_TRIPS = {
    "list page of 100": 2,
    "GET user": 1,
    "match: nobody": 1,
    "match: one user": 2,
    "GET group, no members": 1,
    "PATCH group, 1 member": 2,
    "PATCH user": 2,
    "PUT user": 2,
    "POST user": 1,
    "DELETE user": 2,
}


async def test_bare_calls_are_those_that_the_operation_makes_in_as_many_round_trips_as_the_design_allows(
    azurite: Azurite,
) -> None:
    ours, others = (Settings.from_environment(environment(azurite, table, TOKEN)) for table in ("ours", "bare"))
    await prepare(ours, USERS)
    await prepare(others, USERS)
    counter = CallCounter(ours, others)
    client = Client("/scim/v2", TOKEN)
    calls = {operation.title: await counter.calls(operation, client, 0) for operation in OPERATIONS}
    await counter.close()
    assert {title: made.round_trips for title, made in calls.items()} == ROUND_TRIPS
