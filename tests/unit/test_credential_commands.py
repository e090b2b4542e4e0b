"""`admin credentials`: access and networks are given, kept, changed and shown."""

import json
from typing import Any

import pytest

from scim_core.admin.arguments import parser
from tests.commands import Done, run_here
from tests.memory_rows import MemoryRows

URL = ("--url", "https://scim.example.com")


class Operator:
    """Runs commands over rows of its own."""

    def __init__(self) -> None:
        self.rows = MemoryRows()

    async def run(self, *given: str) -> Done:
        return await run_here(self.rows, *URL, *given)

    async def json(self, *given: str) -> Any:
        done = await self.run("--json", *given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def only(self) -> dict[str, Any]:
        """The one credential of contoso."""
        [found] = await self.json("credentials", "list", "contoso")
        return dict(found)


@pytest.fixture
def operator() -> Operator:
    return Operator()


async def test_a_credential_has_write_access_from_anywhere_unless_it_is_said_otherwise(operator: Operator) -> None:
    made = await operator.json("tenants", "create", "Contoso")
    assert made["credential"]["access"] == "write"
    assert "networks" not in made["credential"]


@pytest.mark.parametrize("kind", ["token", "secret", "federation", "entra"])
async def test_each_kind_can_have_an_access_and_networks(operator: Operator, kind: str) -> None:
    pinned = [] if kind in ("token", "secret") else ["--entra-tenant", "ce5f061f-abe6-4e40-9615-301f87bcb7f1"]
    pinned += ["--subject", "s", "--audience", "a"] if kind == "federation" else []
    limits = ["--access", "read", "--network", "192.0.2.0/24", "--network", "2001:db8::/32"]
    made = await operator.json("tenants", "create", "Contoso", "--kind", kind, *pinned, *limits)
    assert made["credential"]["access"] == "read"
    assert made["credential"]["networks"] == ["192.0.2.0/24", "2001:db8::/32"]
    assert made["connectivity"].get("OAuth 2.0 scopes", "scim.read") == "scim.read"


async def test_what_is_printed_says_what_the_credential_may_do(operator: Operator) -> None:
    said = await operator.run("tenants", "create", "Contoso", "--access", "read", "--network", "192.0.2.7")
    assert "It may only read" in said.stdout
    assert "It can be used from 192.0.2.7/32 only." in said.stdout
    for command in (("credentials", "list", "contoso"), ("tenants", "show", "contoso")):
        shown = (await operator.run(*command)).stdout
        assert "ACCESS" in shown
        assert "LAST SOURCE" in shown
        assert " read " in shown
        assert "networks=192.0.2.7/32" in shown


async def test_a_rotation_keeps_access_and_networks_unless_others_are_given(operator: Operator) -> None:
    limits = ("--access", "read", "--network", "192.0.2.0/24")
    made = await operator.json("tenants", "create", "Contoso", *limits)
    rotate = ("credentials", "rotate", "contoso")
    kept = (await operator.json(*rotate, made["credential"]["id"]))["credential"]
    assert (kept["access"], kept["networks"]) == ("read", ["192.0.2.0/24"])
    given = (await operator.json(*rotate, kept["id"], "--access", "write", "--network", "any"))["credential"]
    assert (given["access"], given.get("networks")) == ("write", None)


@pytest.mark.parametrize(
    ("given", "access", "networks"),
    [
        (["--access", "read"], "read", ["192.0.2.0/24"]),
        (["--network", "198.51.100.0/24", "--network", "2001:db8::/32"], "write", ["198.51.100.0/24", "2001:db8::/32"]),
        (["--network", "any"], "write", None),
        (["--access", "read", "--network", "any"], "read", None),
    ],
)
async def test_change_changes_what_is_given_and_keeps_the_rest(
    operator: Operator, given: list[str], access: str, networks: list[str] | None
) -> None:
    made = (await operator.json("tenants", "create", "Contoso", "--network", "192.0.2.0/24"))["credential"]
    changed = await operator.json("credentials", "change", "contoso", made["id"], *given)
    assert (changed["access"], changed.get("networks")) == (access, networks)
    assert changed == await operator.only()
    same = ("id", "kind", "label", "created", "expires")
    assert {name: changed[name] for name in same} == {name: made[name] for name in same}


async def test_a_revoked_credential_stays_revoked_when_it_is_changed(operator: Operator) -> None:
    made = (await operator.json("tenants", "create", "Contoso"))["credential"]
    await operator.run("credentials", "revoke", "contoso", made["id"])
    await operator.run("credentials", "change", "contoso", made["id"], "--access", "read")
    found = await operator.only()
    assert (found["good"], found["access"], bool(found["revoked"])) == (False, "read", True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "Say what to change"),
        (["--network", "192.0.2.7/24"], "Write 192.0.2.0/24 for the whole network"),
        (["--network", "office"], "Write one like 192.0.2.0/24 or 2001:db8::/32"),
        (["--network", "any", "--network", "192.0.2.0/24"], "any stands for every address"),
    ],
)
async def test_what_cannot_be_changed_is_one_sentence_and_changes_nothing(
    operator: Operator, given: list[str], said: str
) -> None:
    made = (await operator.json("tenants", "create", "Contoso"))["credential"]
    done = await operator.run("credentials", "change", "contoso", made["id"], *given)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert said in done.stderr
    assert await operator.only() == made


def test_an_access_that_is_not_there_is_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["tenants", "create", "Contoso", "--access", "admin"])
    assert "choose from read, write, feed" in capsys.readouterr().err.replace("'", "")


FAULTY = {
    "networks": (("--network", "10.0.0.1/8"), "Write 10.0.0.0/8"),
    "days": (("--days", "5000"), "A credential expires after"),
    "a label": (("--label", "x" * 81), "The label must be one line"),
    "an Entra tenant": (("--kind", "federation", "--entra-tenant", "x"), "must be a GUID"),
}


@pytest.mark.parametrize("faulty", FAULTY)
async def test_no_tenant_is_created_for_a_credential_that_cannot_be(operator: Operator, faulty: str) -> None:
    given, sentence = FAULTY[faulty]
    done = await operator.run("tenants", "create", "Contoso", *given)
    assert (done.returncode, sentence in done.stderr) == (1, True), done.stderr
    assert await operator.json("tenants", "list") == []


async def test_a_tenant_whose_credential_belongs_to_another_one_is_said_to_be_there(operator: Operator) -> None:
    given = ("--kind", "entra", "--entra-tenant", "ce5f061f-abe6-4e40-9615-301f87bcb7f1")
    await operator.run("tenants", "create", "Contoso", *given)
    done = await operator.run("tenants", "create", "Fabrikam", *given)
    assert "The tenant fabrikam is created, without a credential: `credentials create` gives it one." in done.stderr
    again = await operator.run("tenants", "create", "Fabrikam")
    assert "There is a tenant fabrikam already. Choose another id with --id." in again.stderr


async def test_anywhere_is_said_alone(operator: Operator) -> None:
    done = await operator.run("tenants", "create", "Contoso", "--network", "any", "--network", "192.0.2.0/24")
    assert (done.returncode, "Give it alone, or give networks" in done.stderr) == (1, True), done.stderr
