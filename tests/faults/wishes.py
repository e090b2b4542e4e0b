"""Requests as Hypothesis draws them. They name resources by numbers, because the resources are not known yet."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import urlencode

from hypothesis import strategies as st

from tests import scim
from tests.faults.model import Edges, Group, Model, Request, User

NEVER = "018f0000-0000-7000-8000-000000000000"
"""An id that no resource ever had."""

MOST_MEMBERS = 8

_NAMES = ["Ann", "ann", "Bob", "Zo\u00eb", "ZOE\u0308", "o'neil", "#%/\\?", *(f"n{number}" for number in range(12))]
_ATTRIBUTES = {"name": "userName", "active": "active", "external": "externalId"}
_GONE_ONE_IN = 12

names = st.sampled_from(_NAMES)
numbers = st.integers(0, 99)
externals = st.sampled_from([None, "x1", "x2", "X2"])


@dataclass
class Known:
    """The ids that numbers stand for: of resources that exist, and sometimes of deleted ones."""

    model: Model = field(default_factory=Model)
    gone: list[str] = field(default_factory=lambda: [NEVER])

    def user(self, number: int) -> str:
        return self._one_of(sorted(self.model.users), number)

    def group(self, number: int) -> str:
        return self._one_of(sorted(self.model.groups), number)

    def members(self, some: Sequence[int]) -> list[str]:
        """Four of five are users."""
        return list(dict.fromkeys(self.group(number // 5) if number % 5 == 0 else self.user(number) for number in some))

    def _one_of(self, there: list[str], number: int) -> str:
        if not there or number % _GONE_ONE_IN == _GONE_ONE_IN - 1:
            return self.gone[number % len(self.gone)]
        return there[number % len(there)]


class Wish(Protocol):
    """Something that a client may want."""

    def request(self, known: Known) -> Request:
        """The request, about resources that are known."""


@dataclass(frozen=True)
class CreateUser:
    name: str
    external: str | None

    def request(self, _: Known) -> Request:
        def effect(model: Model, new_id: str) -> tuple[int, Model]:
            if model.user_name_is_taken(self.name):
                return 409, model
            return 201, model.with_user(new_id, User(self.name, external=self.external))

        body = {"userName": self.name} | ({"externalId": self.external} if self.external else {})
        touch = _search("/Users", "userName", self.name)
        return Request("POST", "/Users", body, touch, effect, creates="/Users", name=self.name)


@dataclass(frozen=True)
class CreateGroup:
    name: str
    members: tuple[int, ...]

    def request(self, known: Known) -> Request:
        ids = known.members(self.members)

        def effect(model: Model, new_id: str) -> tuple[int, Model]:
            if model.display_name_is_taken(self.name):
                return 409, model
            return 201, model.with_group(new_id, Group(self.name, model.known(ids)))

        body = {"displayName": self.name, "members": _members(ids)}
        touch = _search("/Groups", "displayName", self.name)
        return Request("POST", "/Groups", body, touch, effect, creates="/Groups", name=self.name)


@dataclass(frozen=True)
class ChangeUser:
    """PUT, or PATCH of what is not None."""

    who: int
    put: bool
    name: str | None
    active: bool | None
    external: str | None

    def request(self, known: Known) -> Request:
        url = f"/Users/{(user_id := known.user(self.who))}"
        present = known.model.users.get(user_id, User("nobody"))
        named = self.put or (self.active, self.external) == (None, None)
        wanted = {"name": self.name or (present.name if named else None), "active": self.active}
        wanted |= {"external": self.external}
        changed: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
        said = {_ATTRIBUTES[key]: value for key, value in changed.items()}

        def effect(model: Model, _: str) -> tuple[int, Model]:
            if (user := model.users.get(user_id)) is None:
                return 404, model
            after = User(**{"active": user.active, **changed}) if self.put else replace(user, **changed)
            if model.user_name_is_taken(after.name, but=user_id):  # nobody stays active for that (docs/adr/0036)
                return 409, model.with_user(user_id, replace(user, active=user.active and changed.get("active", True)))
            return 200, model.with_user(user_id, after)

        operations = [scim.replace(attribute, value) for attribute, value in said.items()]
        method, body = ("PUT", said) if self.put else ("PATCH", {"Operations": operations})
        return Request(method, url, body, url, effect)


@dataclass(frozen=True)
class ChangeGroup:
    """PUT, or PATCH of the name, of all members, or of both in one."""

    who: int
    put: bool
    name: str | None
    members: tuple[int, ...] | None

    def request(self, known: Known) -> Request:
        url = f"/Groups/{(group_id := known.group(self.who))}"
        ids = [] if self.members is None else known.members(self.members)
        replaces = self.put or self.members is not None
        present = known.model.groups.get(group_id, Group("nobody"))
        name = self.name or (present.name if self.put or not replaces else None)

        def effect(model: Model, _: str) -> tuple[int, Model]:
            if (group := model.groups.get(group_id)) is None:
                return 404, model
            if group_id in ids:
                return 400, model
            after = Group(name or group.name, model.known(ids) if replaces else group.members)
            if model.display_name_is_taken(after.name, but=group_id):
                return 409, model
            return 200 if self.put else 204, model.with_group(group_id, after)

        if self.put:
            return Request("PUT", url, {"displayName": name, "members": _members(ids)}, url, effect)
        operations = [scim.replace("members", _members(ids))] if replaces else []
        operations += [scim.replace("displayName", name)] if name else []
        return Request("PATCH", url, {"Operations": operations}, url, effect)


@dataclass(frozen=True)
class ChangeMembers:
    """PATCH that adds or removes members. With a name it also renames the group, all at one moment."""

    who: int
    joins: bool
    members: tuple[int, ...]
    name: str | None

    def request(self, known: Known) -> Request:
        url = f"/Groups/{(group_id := known.group(self.who))}"
        ids = known.members(self.members)
        refused = self.joins and group_id in ids
        edges = Edges(group_id, frozenset(ids), self.joins) if not (self.name or refused) else None

        def effect(model: Model, _: str) -> tuple[int, Model]:
            if (group := model.groups.get(group_id)) is None:
                return 404, model
            if refused:
                return 400, model
            if self.name and model.display_name_is_taken(self.name, but=group_id):
                return 409, model
            members = group.members | model.known(ids) if self.joins else group.members - {*ids}
            return 204, model.with_group(group_id, Group(self.name or group.name, members))

        operation = scim.add("members", _members(ids)) if self.joins else scim.remove("members", value=_members(ids))
        operations = [operation, *([scim.replace("displayName", self.name)] if self.name else [])]
        return Request("PATCH", url, {"Operations": operations}, url, effect, edges)


@dataclass(frozen=True)
class Delete:
    endpoint: str
    who: int

    def request(self, known: Known) -> Request:
        resource_id = known.user(self.who) if self.endpoint == "/Users" else known.group(self.who)
        url = f"{self.endpoint}/{resource_id}"

        def effect(model: Model, _: str) -> tuple[int, Model]:
            there = model.users if self.endpoint == "/Users" else model.groups
            return (204, model.without(resource_id)) if resource_id in there else (404, model)

        return Request("DELETE", url, None, url, effect)


some_members = st.lists(numbers, max_size=MOST_MEMBERS).map(tuple)
no_name: st.SearchStrategy[str | None] = st.none()
perhaps_a_name = no_name | names

type GroupChange = ChangeMembers | ChangeGroup | Delete
"""Wishes about one group, `who`."""

group_changes: st.SearchStrategy[GroupChange] = st.one_of(
    st.builds(ChangeMembers, numbers, st.booleans(), some_members.filter(bool), no_name),
    st.builds(ChangeMembers, numbers, st.booleans(), some_members.filter(bool), perhaps_a_name),
    st.builds(ChangeGroup, numbers, st.booleans(), perhaps_a_name, st.none() | some_members),
    st.builds(ChangeGroup, numbers, st.just(value=False), no_name, some_members),
    st.builds(Delete, st.just("/Groups"), numbers),
)
wishes: st.SearchStrategy[Wish] = st.one_of(
    st.builds(CreateUser, names, externals),
    st.builds(CreateGroup, names, some_members),
    st.builds(CreateGroup, names, some_members),
    st.builds(ChangeUser, numbers, st.booleans(), perhaps_a_name, st.none() | st.booleans(), externals),
    group_changes,
    group_changes,
    st.builds(Delete, st.just("/Users"), numbers),
)


def _members(ids: Sequence[str]) -> list[scim.Json]:
    return scim.references(*({"id": id_} for id_ in ids))


def _search(endpoint: str, attribute: str, name: str) -> str:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f"{endpoint}?{urlencode({'filter': f'{attribute} eq "{quoted}"'})}"
