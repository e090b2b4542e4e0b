"""Plays what provisioning clients really send. A case is a JSON file: */*.json, wire cases under their number.

`client` picks the habits in headers.json; `examples` plays the case once per example, with its values.
An exchange sends `send` (method, path below the SCIM base, raw query, headers: null drops one, body, or raw `text`)
after a `pause` in seconds, `repeat`s a number of times or once per ${item} of a list, `at_once` many in flight, or
`walk`s all pages from ${startIndex} on, `expect` judging each page and `whole` all together.
`expect`: status; headers (regular expressions, null: not sent); body (a part of it: other members may be there, other
elements may not, order is free); by JSON pointer, `*` meaning every element: exactly, in_order, absent, count, keys,
contains, matches (regular expression), differs, at_least; never (texts) and discovers (attributes in /Schemas).
`capture` names values for later: ${name}, ${name/0}, ${name|query}; given are ${base}, ${token}, ${unique}, ${guid},
${n} within repeat, and {"@each": list, "@make": element}. protocol.py checks every answer besides.
"""

import pytest

from tests.clients.cases import Play, plays
from tests.clients.parts import parts
from tests.clients.playing import run
from tests.clients.targets import Target

PARTS = [pytest.param(play, target, id=f"{target}-{play.id}") for play, target in parts(plays())]


@pytest.mark.parametrize(("play", "target"), PARTS, indirect=["target"])
async def test_client_gets_the_recorded_answers(play: Play, target: Target) -> None:
    await run(play, target)
