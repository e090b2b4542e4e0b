"""Whatever a customer is called, and whatever their people are called: it is text on every page, and nothing else."""

import hashlib
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from tests.console.every_page import ABOUT_NOBODY, FIELDS, LOOKED_AT, one_customer, path_of, post, shown
from tests.console.world import OPERATOR, World, some_customers

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 1234567 }}{% raw %}",
    "</title></style><svg/onload=alert(1)>",
    "&lt;b&gt;&#x3c;i&#x3e;",
    "javascript:alert(1)//",
    "a\u202egnp.exe\u2066b",
)
PLAIN = "plain"


class Structure(HTMLParser):
    """The tags of a page with the names of their attributes, and all that could run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def structure(body: bytes) -> Structure:
    found = Structure()
    found.feed(body.decode())
    return found


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_changes_no_page_but_its_text(name: str) -> None:
    (plain, tenant), (hostile, _) = await one_customer(PLAIN), await one_customer(name)
    for handler in LOOKED_AT:
        wanted, given = path_of(plain, handler, tenant, "u"), path_of(hostile, handler, tenant, "u")
        expected, found = await shown(plain, *wanted), await shown(hostile, *given)
        assert (expected.status, found.status) == (200, 200), handler
        assert structure(found.body).tags == structure(expected.body).tags, handler
        assert all(item.startswith(("/console", "#", "?")) for item in structure(found.body).addresses), handler
        assert not {"\u202e", "\u2066"} & set(found.body.decode()), handler
        assert b"8641969" not in found.body, handler


@pytest.mark.parametrize("handler", sorted(set(LOOKED_AT) - ABOUT_NOBODY))
async def test_each_page_shows_a_name(handler: str) -> None:
    """What the test above looks at is there at all."""
    world, tenant = await one_customer("<x>")
    assert "&lt;x&gt;" in (await shown(world, *path_of(world, handler, tenant, "u"))).body.decode()


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("handler", ["undo", "link_setup"])
async def test_a_name_changes_no_answer_of_a_form_but_its_text(handler: str, name: str) -> None:
    found = []
    for text in (PLAIN, name):
        world, tenant = await one_customer(text)
        answer = await post(world, path_of(world, handler, tenant, "u")[0], OPERATOR, FIELDS[handler])
        assert answer.status == 200
        found.append(structure(answer.body))
    plain, hostile = found
    assert hostile.tags == plain.tags
    assert not {"\u202e", "\u2066"} & set("".join(hostile.text))
    assert "8641969" not in "".join(hostile.text)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_new_customer_may_have_any_name_that_is_a_line(name: str) -> None:
    answer = await post(World(), "/console/new-customer", OPERATOR, {"name": name, "id": "hostile"})
    assert answer.status == (201 if name.isprintable() else 409)
    found = structure(answer.body)
    assert not [tag for tag, _ in found.tags if tag in ("script", "svg", "b", "i", "img")][1:]
    assert not [name for _, names in found.tags for name in names if name.startswith("on")]


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_is_looked_for_is_text_too(text: str) -> None:
    world, tenant = await one_customer(PLAIN)
    for path, query in (
        ("/console/find", f"q={quote(text)}&tenant={quote(text)}"),
        ("/console", f"customers={quote(text)}&after={quote(text)}"),
        (f"/console/customers/{tenant}/resources/{world.ids['group']}", f"why={quote(text)}"),
        (f"/console/customers/{quote(text)}", ""),
        (f"/console/customers/{tenant}/undo", f"from=2026-11-01&to=2026-12-01&by={quote(text)}"),
        (f"/console/customers/{tenant}/undo", f"from={quote(text)}&to={quote(text)}"),
    ):
        found = structure((await shown(world, path, query)).body)
        assert not [tag for tag, _ in found.tags if tag in ("script", "svg", "b", "i")]
        assert not [name for _, names in found.tags for name in names if name.startswith("on")]


@pytest.mark.parametrize("handler", LOOKED_AT)
async def test_no_secret_gets_into_a_page(handler: str) -> None:
    world = await some_customers()
    world.ids |= {"person": world.ids["ann.jensen@contoso.example"], "hook": "5f2c9a70b1d3"}
    secrets = {"correct-horse-battery-staple", *world.tokens.values()}
    secrets |= {hashlib.sha256(token.encode()).hexdigest() for token in world.tokens.values()}
    tenant = await world.registry.load("contoso-ltd")
    assert tenant
    world.ids["credential"] = tenant.credentials[0].id
    assert tenant.credentials[0].sha256 in secrets
    page = (await shown(world, *path_of(world, handler, tenant.id, "a"))).body.decode()
    assert page
    assert [secret for secret in secrets if secret in page] == []
