"""Which plays are played against which targets: all in this process, and by every credential and over HTTP their kinds.

What a credential or a transport does to a request does not depend on the resource that the request is about.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.clients.cases import Play
from tests.credentials import KINDS

type Form = tuple[str, ...]


def parts(plays: list[Play]) -> Iterator[tuple[Play, str]]:
    """Each play with its targets: `core` always; `http` if it sends what no play before it sent; a credential's kind.

    The first play of each client is played with every kind, each further one with the kind whose turn it is.
    """
    known, of_client = set[Form](), defaultdict[str, int](int)
    for play in plays:
        yield play, "core"
        sent = set(forms(play))
        if sent - known:
            yield play, "http"
        known |= sent
        turn = of_client[play.client]
        of_client[play.client] += 1
        yield from ((play, kind) for kind in (KINDS[turn % len(KINDS) :][:1] if turn else KINDS))


def forms(play: Play) -> Iterator[Form]:
    """What a transport sees of each request, whatever the values: method, path, query, headers, whether a body."""
    for exchange in play.exchanges:
        send = exchange["send"]
        yield (
            exchange.get("client", play.client),
            send["method"],
            *(_without_values(send.get(name)) for name in ("path", "query", "headers")),
            " ".join(name for name in ("body", "text") if name in send),
            str(exchange.get("at_once", 1) > 1),
        )


def _without_values(template: Any) -> str:
    return re.sub(r"\$\{[^}]*\}", "$", json.dumps(template))
