"""Templates and functions that the host refuses, and those that the local host does not know."""

import pytest

from devhost.errors import DevhostError
from devhost.routes import arrange, compile_template
from devhost.worker import Function


def function(name: str, route: str, *methods: str) -> Function:
    return Function(name, name, route, frozenset(methods), "req")


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("a/{id?}", "/a", {}),
        ("a/{id?}", "/a/1", {"id": "1"}),
        ("a/{id:int}", "/a/-1", {"id": "-1"}),
        ("a/{id:int}", "/a/x", None),
        ("a/{id:guid}", "/a/0b0c4ab5-0000-4000-8000-0123456789ab", {"id": "0b0c4ab5-0000-4000-8000-0123456789ab"}),
        ("a/{**rest}", "/a/b/c", {"rest": "b/c"}),
        ("{*path}", "/", {}),
        ("{*path}", "//a", None),
        ("a.b", "/axb", None),
    ],
)
def test_templates(template: str, path: str, values: dict[str, str] | None) -> None:
    route = arrange([function("f", template)], "")[0]

    assert route.match("GET", path) == values


@pytest.mark.parametrize("template", ["a/{id:regex(x)}", "a/x{id}y"])
def test_a_template_beyond_the_local_host_is_refused(template: str) -> None:
    with pytest.raises(DevhostError, match="beyond the local host"):
        compile_template(template)


@pytest.mark.parametrize(
    "functions",
    [
        [function("1st", "a")],
        [function("f", "admin/x")],
        [function("f", "a//b")],
        [function("f", "a/{id}", "GET"), function("g", "A/{id}", "GET", "PUT")],
        [function("f", "a"), function("g", "a", "PUT")],
    ],
)
def test_what_the_host_would_not_start_is_refused(functions: list[Function]) -> None:
    with pytest.raises(DevhostError, match="host"):
        arrange(functions, "")


def test_one_route_may_have_a_function_for_each_method() -> None:
    assert len(arrange([function("f", "a", "GET"), function("g", "a", "PUT")], "")) == 2


def test_names_are_ordered_without_regard_to_case() -> None:
    assert [route.function.name for route in arrange([function("b", "1"), function("A", "2")], "")] == ["A", "b"]
