"""A bulk of any operations with any references does what the operations do one by one, in the order of dependence."""

import re
from collections.abc import Iterator
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.bulk import bulk, group, patch, user
from tests.memory_rows import memory_storage
from tests.scim import ENTERPRISE, Client, Clock, Json, add, comparable, endpoint_over, remove, replace

NEW = ["a", "b", "c", "d", "e"]
"""bulkIds. An operation may refer to one that nobody creates."""

THERE = ["user0", "user1", "group0"]
"""What is there before, by placeholders of its ids."""

NAMES = ["Ann", "ann", "Bob", "Zoë", "user0"]

users = st.sampled_from(["bulkId:a", "bulkId:b", "bulkId:x", "{user0}", "{user1}"])
groups = st.sampled_from(["bulkId:c", "bulkId:d", "bulkId:e", "{group0}"])
members = st.lists(users | groups, max_size=3)


@st.composite
def creations(draw: st.DrawFn) -> list[Json]:
    """POSTs with different bulkIds; some names are the same."""
    made: list[Json] = []
    for bulk_id in draw(st.lists(st.sampled_from(NEW), unique=True)):
        name = draw(st.sampled_from([*NAMES, bulk_id, bulk_id, bulk_id]))
        if bulk_id in "ab":
            more: Json = {ENTERPRISE: {"manager": {"value": draw(users)}}} if draw(st.booleans()) else {}
            made.append(user(bulk_id, name, title="t", **more))
        else:
            made.append(group(bulk_id, *draw(members), name=name))
    return made


changes = st.one_of(
    st.builds(lambda it, text: patch(f"/Users/{it}", replace("title", text)), users, st.sampled_from("12")),
    st.builds(lambda it, name: patch(f"/Users/{it}", replace("userName", name)), users, st.sampled_from(NAMES)),
    st.builds(lambda it, other: patch(f"/Users/{it}", replace(f"{ENTERPRISE}:manager", other)), users, users),
    st.builds(lambda it, some: patch(f"/Groups/{it}", add("members", _values(some))), groups, members),
    st.builds(lambda it, one: patch(f"/Groups/{it}", remove(f'members[value eq "{one}"]')), groups, users | groups),
    st.builds(
        lambda it, name, some: {
            "method": "PUT",
            "path": f"/Groups/{it}",
            "data": {"displayName": name, "members": _values(some)},
        },
        groups,
        st.sampled_from(NAMES),
        members,
    ),
    st.builds(lambda it: {"method": "DELETE", "path": f"/Users/{it}"}, users),
    st.builds(lambda it: {"method": "DELETE", "path": f"/Groups/{it}"}, groups),
)


def _values(some: list[str]) -> list[Json]:
    return [{"value": item} for item in some]


@st.composite
def bulks(draw: st.DrawFn) -> list[Json]:
    operations = [*draw(creations()), *draw(st.lists(changes, max_size=8))]
    return draw(st.permutations(operations))


def texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list() | tuple():
            for item in value:
                yield from texts(item)
        case dict():
            yield from texts(list(value.values()))


def mapped(value: Any, names: dict[str, str]) -> Any:
    """The value with other texts in the place of these, wherever they are."""
    match value:
        case str():
            for name, text in names.items():
                value = value.replace(name, text)
            return value
        case list() | tuple():
            return [mapped(item, names) for item in value]
        case dict():
            return {key: mapped(item, names) for key, item in value.items()}
    return value


def needs(operation: Json) -> set[str]:
    return {name for name in [*NEW, "x"] for text in texts(operation) if f"bulkId:{name}" in text}


def about(operation: Json) -> tuple[str, str | None]:
    """The endpoint, and the id or reference in the path; a POST is about its own reference."""
    _, endpoint, *rest = operation["path"].split("/")
    return endpoint, rest[0] if rest else f"bulkId:{operation['bulkId']}"


def written(operation: Json) -> set[tuple[str, str]]:
    """The unique values that an operation writes."""
    data = operation.get("data", {})
    names = [data.get("userName"), data.get("displayName")]
    names += [item["value"] for item in data.get("Operations", ()) if item.get("path") == "userName"]
    return {(about(operation)[0], comparable(name)) for name in names if name}


def in_order(first: Json, second: Json) -> bool:
    """Whether the second operation has to come after the first."""
    one, other = about(first)[1], about(second)[1]
    said, told = set(references_in(first)), set(references_in(second))
    deletes = first["method"] == "DELETE" and any(kind == about(first)[0] for kind, _ in written(second))
    return one in told | {other} or other in said or bool(written(first) & written(second)) or deletes


def references_in(operation: Json) -> list[str]:
    """Ids and references that an operation names. Those of a POST's own name are another matter: they are needed."""
    found = re.findall(r"bulkId:\w|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(operation.get("data")))
    return [*found, *([] if operation["method"] == "POST" else [str(about(operation)[1])])]


def had(operations: list[Json], index: int, held: dict[str, str]) -> set[tuple[str, str]]:
    """The unique values that the resource may have which the operation of this number is about."""
    endpoint, it = about(operations[index])
    names = {(endpoint, comparable(held[it]))} if it in held else set()
    others = (other for number, other in enumerate(operations) if number != index and about(other) == (endpoint, it))
    return names.union(*map(written, others))


def frees_what_another_takes(operations: list[Json], held: dict[str, str]) -> bool:
    """Whether a change may free a name that another operation writes, without saying so: their order is anybody's."""
    return any(
        written(other) & had(operations, index, held) and about(other)[1] != about(operation)[1]
        for index, operation in enumerate(operations)
        if operation["method"] in ("PUT", "PATCH") and written(operation)
        for other in operations
    )


class OneByOne:
    """The operations as single requests, in an order in which each comes after those that it depends on."""

    def __init__(self, client: Client, operations: list[Json], held: dict[str, str]) -> None:
        self.client = client
        self.operations = operations
        self.held = held
        self.posts = {item["bulkId"]: index for index, item in enumerate(operations) if item["method"] == "POST"}
        self.statuses: dict[int, str] = {}
        self.ids: dict[str, str] = {}
        self.needed = {
            (index, self.posts[name])
            for index, item in enumerate(operations)
            for name in needs(item) & self.posts.keys()
        }

    def _in_order(self, earlier: int, later: int) -> bool:
        """Whether the later one has to come after the earlier one: also a deletion after a write of a name it frees."""
        first, second = self.operations[earlier], self.operations[later]
        frees = second["method"] == "DELETE" and written(first) & had(self.operations, later, self.held)
        return in_order(first, second) or bool(frees)

    def _closed(self, edges: set[tuple[int, int]]) -> set[tuple[int, int]]:
        found = set(edges)
        for middle in range(len(self.operations)):
            before = [first for first, last in found if last == middle]
            after = [last for first, last in found if first == middle]
            found |= {(first, last) for first in before for last in after}
        return found

    async def run(self) -> list[str]:
        size = range(len(self.operations))
        needed = self._closed(self.needed)
        wished = {
            (later, earlier)
            for later in size
            for earlier in range(later)
            if self._in_order(earlier, later) and (earlier, later) not in needed
        }
        every = self._closed(needed | wished)
        circles = {
            index: tuple(other for other in size if {(index, other), (other, index)} <= needed) for index in size
        }
        assume(all((other, index) in needed for index, other in every if (other, index) in every))
        while len(self.statuses) < len(self.operations):
            index = next(
                index
                for index in size
                if index not in self.statuses
                and all(
                    other in self.statuses or other in circles[index] or other == index
                    for member in circles[index] or (index,)
                    for first, other in every
                    if first == member
                )
            )
            if circles[index]:
                await self._circle(list(circles[index]))
            else:
                self.statuses[index] = await self._single(index)
        return [self.statuses[index] for index in size]

    async def _single(self, index: int) -> str:
        operation = self.operations[index]
        missing = needs(operation) - self.ids.keys()
        if missing:
            return "400" if missing - self.posts.keys() and not missing & self.posts.keys() else "409 or 400"
        sent = mapped(operation, {f"bulkId:{name}": id_ for name, id_ in self.ids.items()})
        answer = await self.client.send(operation["method"], sent["path"], sent.get("data"))
        if answer.status == 201:
            self.ids[operation["bulkId"]] = answer.document["id"]
        return str(answer.status)

    async def _circle(self, circle: list[int]) -> None:
        """Created without references, then linked by PUT, or undone."""
        made: dict[int, str] = {}
        failed = any(
            needs(self.operations[index]) - self.ids.keys() - {self.operations[item]["bulkId"] for item in circle}
            for index in circle
        )
        for index in [] if failed else circle:
            operation = self.operations[index]
            data = {"displayName": operation["data"].get("displayName"), "userName": operation["data"].get("userName")}
            answer = await self.client.post(operation["path"], data)
            if answer.status == 201:
                made[index] = answer.document["id"]
            failed |= answer.status != 201
        ids = self.ids | {self.operations[index]["bulkId"]: id_ for index, id_ in made.items()}
        for index in [] if failed else circle:
            operation = mapped(self.operations[index], {f"bulkId:{name}": id_ for name, id_ in ids.items()})
            answer = await self.client.put(f"{operation['path']}/{made[index]}", operation["data"])
            failed |= answer.status != 200
        for index in circle:
            if failed and index in made:
                await self.client.delete(f"{self.operations[index]['path']}/{made[index]}")
            self.statuses[index] = "an error" if failed else "201"
        if not failed:
            self.ids = ids


async def directory() -> tuple[Client, dict[str, str]]:
    client = Client(endpoint_over(memory_storage(), Clock()))
    users = [await client.user(f"user{number}") for number in range(2)]
    group0 = await client.group("group0", users[0])
    return client, {"{user0}": users[0]["id"], "{user1}": users[1]["id"], "{group0}": group0["id"]}


async def content(client: Client, there: dict[str, str]) -> list[Json]:
    """All that is there, with names in the place of ids, and without what is new each time."""
    found: list[Json] = []
    for url in ("/Users", "/Groups"):
        found += (await client.get(url)).document["Resources"]
    names = {id_: name for name, id_ in there.items()}
    names |= {item["id"]: item.get("userName") or item["displayName"] for item in found if item["id"] not in names}
    managers = re.findall(r"'value': '([0-9a-f-]{36})'", str(found))
    names = dict.fromkeys(managers, "somebody who is gone") | names
    shown = [mapped({**item, "meta": item["meta"]["resourceType"]}, names) for item in found]
    for item in shown:
        for attribute in ("members", "groups"):
            item.get(attribute, []).sort(key=lambda it: (it["type"], it["value"]))
    return sorted(shown, key=lambda item: (item["meta"], item["id"]))


def agree(status: str, expected: str) -> bool:
    if expected == "an error":
        return int(status) >= 400
    return status in expected.split(" or ")


@given(operations=bulks())
async def test_a_bulk_does_what_its_operations_do_one_by_one(operations: list[Json]) -> None:
    client, there = await directory()
    held = {there[f"{{{name}}}"]: name for name in THERE}
    assume(not frees_what_another_takes(mapped(operations, there), held))
    results = await bulk(client, *mapped(operations, there))
    other, there_too = await directory()
    held_too = {there_too[f"{{{name}}}"]: name for name in THERE}
    expected = await OneByOne(other, mapped(operations, there_too), held_too).run()
    found = [result["status"] for result in results]
    assert all(map(agree, found, expected)), (found, expected)
    assert await content(client, there) == await content(other, there_too)
