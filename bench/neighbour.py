"""The neighbour run: what one customer notices while another sends the costliest requests that there are."""

import asyncio
import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench import attack_directories
from bench.apps import App, serving
from bench.attack_directories import NEIGHBOUR
from bench.attacks import ATTACKS, Attack
from bench.http_client import HttpClient, Request, UnexpectedStatus
from bench.load import Sample
from bench.operations import GET_USER, Client
from devhost.azurite import Azurite
from scim_core.access.oauth.local_key import new_signing_key

ATTACK_SECONDS = 15
"""How long each attack goes on. One stall of a second then shows in the p99 of the neighbour's requests."""

GRACE_SECONDS = 60
"""How much longer the neighbour waits for its last answers: as long as Entra waits for one."""

REQUESTS_A_SECOND = 20
"""Requests of the neighbour. They are sent at fixed times, whether the ones before were answered or not."""

REGISTRY = {
    "SCIM_TENANTS": "registry",
    "SCIM_PUBLIC_BASE_URL": "https://scim.example.com",
    "SCIM_SIGNING_KEY": new_signing_key(),
}
"""The settings for many tenants."""

USUAL_RATE = {"SCIM_TENANT_REQUESTS_PER_SECOND": ""}
"""The tenant's rate limit is the one that a deployment has."""

NO_ANSWER = "no answer"

TABLE = "neighbour"


@dataclass(frozen=True)
class Observed:
    """One attack: the neighbour's latencies and refusals, the attack's answers by status, the peak of the memory."""

    title: str
    neighbour: Sample
    refused: int
    answers: Counter[str]
    peak_mb: float


async def run(chosen: str, progress: Callable[[Observed], object]) -> list[Observed]:
    """The neighbour alone, then each attack whose title contains the text. Each has a process of its own.

    `progress` gets each when it is done. Azurite seeks in the order of keys, as Table Storage does: otherwise the
    neighbour would wait for the storage to look through the rows of the others.
    """
    attacks = [attack for attack in ATTACKS if chosen in attack.title]
    observed: list[Observed] = []
    with ExitStack() as stack:
        azurite = stack.enter_context(Azurite.start(seeks=True))
        with serving(azurite, TABLE, further=REGISTRY) as endpoint:
            clients = await attack_directories.store(endpoint, {attack.tenant for attack in attacks})
        for attack in (None, *attacks):
            with serving(azurite, TABLE, further=REGISTRY | USUAL_RATE) as endpoint:
                observed.append(await _observe(endpoint.app, attack, clients))
            progress(observed[-1])
    return observed


async def _observe(app: App, attack: Attack | None, clients: dict[str, Client]) -> Observed:
    """The neighbour's requests during the attack. The process ends afterwards, and with it every connection."""
    await app.serve([GET_USER.request(clients[NEIGHBOUR], 0)], 1)
    attacker = Attacker(app.url, attack, clients)
    attacker.start()
    try:
        neighbour, refused = await _neighbour(app.url, clients[NEIGHBOUR])
    finally:
        attacker.stop()
    title = attack.title if attack else "nobody else"
    return Observed(title, neighbour, refused, attacker.answers, app.meter.peak_mb())


async def _neighbour(url: str, client: Client) -> tuple[Sample, int]:
    """The latency of each request, and how many got another answer than the user.

    The latency counts from when the request was due. Without an answer at the end, it is the time waited until then.
    """
    started = time.perf_counter()
    visitors = Visitors(url, started)
    async with asyncio.TaskGroup() as group:
        for number in range(ATTACK_SECONDS * REQUESTS_A_SECOND):
            due = number / REQUESTS_A_SECOND
            await asyncio.sleep(max(0.0, started + due - time.perf_counter()))
            group.create_task(visitors.send(GET_USER.request(client, number), due))
    await visitors.leave()
    return Sample(tuple(visitors.seconds), time.perf_counter() - started), visitors.refused


class Visitors:
    """The neighbour's clients. A request whose time has come takes a free connection or a new one, and waits for none.

    Over one connection, each request would wait for the one before, and all of them for the slowest.
    """

    def __init__(self, url: str, started: float) -> None:
        self._url = url
        self._started = started
        self._end = started + ATTACK_SECONDS + GRACE_SECONDS
        self._free: list[HttpClient] = []
        self.seconds: list[float] = []
        self.refused = 0

    async def send(self, request: Request, due: float) -> None:
        """The request is sent, and its latency is noted: from `due` on, in seconds after the start."""
        try:
            async with asyncio.timeout(max(0.0, self._end - time.perf_counter())):
                http = self._free.pop() if self._free else await HttpClient(self._url).__aenter__()
                await http.send(request)
                self._free.append(http)
        except UnexpectedStatus:
            self.refused += 1
        except TimeoutError:
            pass  # the time it waited is its latency
        self.seconds.append(time.perf_counter() - self._started - due)

    async def leave(self) -> None:
        """The connections are closed."""
        for client in self._free:
            await client.__aexit__()


class Attacker:
    """Sends the requests of an attack from threads: their large bodies must not delay the neighbour's own client."""

    def __init__(self, url: str, attack: Attack | None, clients: dict[str, Client]) -> None:
        self._address = urlsplit(url).netloc
        self._stopped = threading.Event()
        self.answers: Counter[str] = Counter()
        request = attack.request(clients[attack.tenant]) if attack else None
        self._threads = [
            threading.Thread(target=self._send, args=(request,), daemon=True)
            for _ in range(attack.connections if attack else 0)
        ]

    def start(self) -> None:
        """The requests are sent from now on."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No further request is sent. Those that have no answer by now are not waited for, and are counted."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=0.1)
        waiting = sum(thread.is_alive() for thread in self._threads)
        if waiting:
            self.answers[NO_ANSWER] += waiting

    def _send(self, request: Request) -> None:
        while not self._stopped.is_set():
            answer = self._answer(request)
            if not self._stopped.is_set():
                self.answers[answer] += 1

    def _answer(self, request: Request) -> str:
        connection = http.client.HTTPConnection(self._address)
        try:
            connection.request(request.method, request.target, request.body or None, request.headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return NO_ANSWER
        finally:
            connection.close()
        return str(response.status)
