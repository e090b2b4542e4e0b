"""A directory under any sequence of requests does what a simple model of it does."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from tests.clients.targets import Answer
from tests.memory_rows import memory_storage
from tests.scim import (
    Client,
    Clock,
    Json,
    add,
    comparable,
    endpoint_over,
    group_ids,
    member_ids,
    references,
    remove,
    replace,
)

NAMES = ["Ann", "ann", "Bob", "Zo\u00eb", "ZOE\u0308", "o'neil", 'q"q', "#%/\\?", "x" * 600]
names = st.sampled_from(NAMES)


@dataclass
class Model:
    """What there should be: names by id, and of groups the members by id."""

    users: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    inactive: set[str] = field(default_factory=set)

    def taken(self, kind: dict[str, str], name: str, but: str = "") -> bool:
        return any(comparable(name) == comparable(other) for id_, other in kind.items() if id_ != but)

    def forget(self, resource_id: str) -> None:
        for kind in (self.users, self.groups, self.members):
            kind.pop(resource_id, None)
        for members in self.members.values():
            members.discard(resource_id)


class Directory(RuleBasedStateMachine):
    """Requests of every kind, each checked against the model, and the whole after each."""

    users: Bundle[str] = Bundle("users")
    groups: Bundle[str] = Bundle("groups")
    gone: Bundle[str] = Bundle("gone")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.runner = asyncio.Runner()
        self.client = Client(endpoint_over(memory_storage(), Clock()))

    def teardown(self) -> None:
        self.runner.close()

    def ask(self, method: str, url: str, body: Any = None, **query: Any) -> Answer:
        return self.runner.run(self.client.send(method, url, body, **query))

    def change(self, url: str, *operations: Json) -> Answer:
        return self.ask("PATCH", url, {"Operations": operations})

    @initialize(target=gone)
    def an_id_that_never_was(self) -> str:
        return "018f0000-0000-7000-8000-000000000000"

    @initialize(target=users)
    def a_first_user(self) -> Any:
        return self.create_user("First")

    @initialize(target=groups)
    def a_first_group(self) -> Any:
        return self.create_group("First", [])

    @rule(target=users, name=names)
    def create_user(self, name: str) -> Any:
        answer = self.ask("POST", "/Users", {"userName": name})
        if self.model.taken(self.model.users, name):
            assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
            return multiple()
        assert answer.status == 201
        self.model.users[answer.document["id"]] = name
        return answer.document["id"]

    @rule(target=groups, name=names, members=st.lists(st.one_of(users, groups, gone), max_size=4))
    def create_group(self, name: str, members: list[str]) -> Any:
        body = {"displayName": name, "members": [{"value": item} for item in members]}
        answer = self.ask("POST", "/Groups", body)
        if self.model.taken(self.model.groups, name):
            assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
            return multiple()
        assert answer.status == 201
        created: str = answer.document["id"]
        self.model.groups[created] = name
        self.model.members[created] = self._known(members)
        assert member_ids(answer.document) == sorted(self.model.members[created])
        return created

    @rule(user=users, name=names, put=st.booleans())
    def rename_user(self, user: str, name: str, *, put: bool) -> None:
        url = f"/Users/{user}"
        body = {"userName": name, "active": user not in self.model.inactive}
        answer = self.ask("PUT", url, body) if put else self.change(url, replace("userName", name))
        if self._renamed(answer, self.model.users, user, name):
            assert answer.document["userName"] == name

    @rule(group=groups, name=names)
    def rename_group(self, group: str, name: str) -> None:
        answer = self.change(f"/Groups/{group}", {"op": "replace", "value": {"displayName": name}})
        self._renamed(answer, self.model.groups, group, name)

    @rule(group=groups, name=names, members=st.lists(st.one_of(users, groups, gone), max_size=3))
    def replace_group(self, group: str, name: str, members: list[str]) -> None:
        body = {"displayName": name, "members": [{"value": item} for item in members]}
        answer = self.ask("PUT", f"/Groups/{group}", body)
        if group in members:
            assert answer.status == 400
        elif self._renamed(answer, self.model.groups, group, name):
            self.model.members[group] = self._known(members)

    @rule(user=users, active=st.sampled_from(["True", "False", True, False]))
    def deactivate(self, user: str, active: str | bool) -> None:
        answer = self.change(f"/Users/{user}", replace("active", active))
        assert answer.status == 200
        (self.model.inactive.discard if active in ("True", True) else self.model.inactive.add)(user)

    @rule(group=groups, members=st.lists(st.one_of(users, groups, gone), max_size=4))
    def add_members(self, group: str, members: list[str]) -> None:
        answer = self.change(f"/Groups/{group}", add("members", [{"value": item} for item in members]))
        if self._accepted(answer, group, members):
            self.model.members[group] |= self._known(members)

    @rule(group=groups, members=st.lists(st.one_of(users, groups, gone), min_size=1, max_size=3), legacy=st.booleans())
    def remove_members(self, group: str, members: list[str], *, legacy: bool) -> None:
        condition = " or ".join(f'value eq "{item}"' for item in members)
        values = [{"value": item} for item in members]
        operation = remove("members", value=values) if legacy else remove(f"members[{condition}]")
        if self._accepted(self.change(f"/Groups/{group}", operation), group, []):
            self.model.members[group] -= set(members)

    @rule(group=groups, members=st.lists(st.one_of(users, groups, gone), max_size=3))
    def replace_members(self, group: str, members: list[str]) -> None:
        operation = replace("members", [{"value": item} for item in members])
        if self._accepted(self.change(f"/Groups/{group}", operation), group, members):
            self.model.members[group] = self._known(members)

    @rule(group=groups, leaving=users, joining=users, name=names)
    def change_all_or_nothing(self, group: str, leaving: str, joining: str, name: str) -> None:
        operations = [
            remove(f'members[value eq "{leaving}"]'),
            add("members", references({"id": joining})),
            replace("displayName", name),
        ]
        if self._renamed(self.change(f"/Groups/{group}", *operations), self.model.groups, group, name):
            self.model.members[group] = (self.model.members[group] - {leaving}) | self._known([joining])

    @rule(group=groups)
    def refuse_what_is_wrong_at_the_end(self, group: str) -> None:
        wrong = [remove("members"), replace("displayName", "lost"), replace("shoeSize", 1)]
        assert self.change(f"/Groups/{group}", *wrong).status == 400

    @rule(target=gone, user=consumes(users))
    def delete_user(self, user: str) -> str:
        self._deleted(f"/Users/{user}", user)
        return user

    @rule(target=gone, group=consumes(groups))
    def delete_group(self, group: str) -> str:
        self._deleted(f"/Groups/{group}", group)
        return group

    @rule(resource=gone)
    def what_is_gone_is_not_found(self, resource: str) -> None:
        for endpoint in ("Users", "Groups"):
            assert self.ask("GET", f"/{endpoint}/{resource}").status == 404
            assert self.ask("DELETE", f"/{endpoint}/{resource}").status == 404

    @rule(name=names)
    def find_by_name(self, name: str) -> None:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        for url, attribute, kind in (
            ("/Users", "userName", self.model.users),
            ("/Groups", "displayName", self.model.groups),
        ):
            found = self.ask("GET", url, filter=f'{attribute} eq "{quoted}"').document
            expected = [id_ for id_, other in kind.items() if comparable(name) == comparable(other)]
            assert [item["id"] for item in found["Resources"]] == expected

    @rule(group=groups, user=st.one_of(users, groups, gone))
    def probe(self, group: str, user: str) -> None:
        text = f'id eq "{group}" and members eq "{user}"'
        found = self.ask("GET", "/Groups", filter=text, attributes="id").document
        assert found["totalResults"] == (user in self.model.members.get(group, ()))

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        users = self.ask("GET", "/Users").document["Resources"]
        groups = self.ask("GET", "/Groups").document["Resources"]
        assert {item["id"]: item["userName"] for item in users} == self.model.users
        assert {item["id"]: item["displayName"] for item in groups} == self.model.groups
        for group in groups:
            assert member_ids(group) == sorted(self.model.members[group["id"]])
            kinds = {item["value"]: item["type"] for item in group.get("members", ())}
            assert all(kind == ("User" if id_ in self.model.users else "Group") for id_, kind in kinds.items())
        for user in users:
            expected = sorted(id_ for id_, members in self.model.members.items() if user["id"] in members)
            assert group_ids(user) == expected
            assert user.get("active", True) is (user["id"] not in self.model.inactive)

    def _known(self, members: list[str]) -> set[str]:
        return {item for item in members if item in self.model.users or item in self.model.groups}

    def _renamed(self, answer: Answer, kind: dict[str, str], resource_id: str, name: str) -> bool:
        if self.model.taken(kind, name, but=resource_id):
            assert (answer.status, answer.document["scimType"]) == (409, "uniqueness")
            return False
        assert answer.status in (200, 204)
        kind[resource_id] = name
        return True

    def _accepted(self, answer: Answer, group: str, members: list[str]) -> bool:
        assert answer.status == (400 if group in members else 204)
        return answer.status == 204

    def _deleted(self, url: str, resource_id: str) -> None:
        assert self.ask("DELETE", url).status == 204
        self.model.forget(resource_id)
        self.model.inactive.discard(resource_id)


class TestDirectory(Directory.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=25)
