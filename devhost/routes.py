"""Which function answers a path: ASP.NET route templates, in the order of the Functions host.

The host tries routes in the order of the functions' names, even if a later template is more precise. The first one
that fits path and method wins.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from devhost.errors import DevhostError
from devhost.worker import Function

_NAME = re.compile(r"(?i)[a-z][a-z0-9_-]{0,127}")
_RESERVED = re.compile(r"(?i)(admin|runtime)(/|$)")
_PARAMETER = re.compile(r"\{(?P<star>\*{0,2})(?P<name>\w+)(?P<constraints>(?::[^{}?]+)*)(?P<optional>\??)\}")
_CONSTRAINTS = {
    "int": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}


@dataclass(frozen=True, slots=True)
class Route:
    """A function and the paths it answers."""

    function: Function
    template: str
    pattern: re.Pattern[str]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The route values of this path, such as {"id": "42"}. None when the route does not fit."""
        found = self.pattern.fullmatch(path)
        if found is None or (self.function.methods and method not in self.function.methods):
            return None
        return {name: value for name, value in found.groupdict().items() if value}


def arrange(functions: Iterable[Function], prefix: str) -> list[Route]:
    """The routes in the order in which the host tries them. Raises DevhostError for a route that the host refuses."""
    routes: list[Route] = []
    for function in sorted(functions, key=lambda item: item.name.upper()):
        template = f"{prefix}/{function.route}".strip("/")
        _refuse(function, template, routes)
        routes.append(Route(function, template, compile_template(template)))
    return routes


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Function, dict[str, str]] | None:
    """The function that answers, and its route values."""
    for route in routes:
        values = route.match(method, path)
        if values is not None:
            return route.function, values
    return None


def is_reserved(path: str) -> bool:
    """Whether the host keeps this path, or route, for itself."""
    return _RESERVED.match(path.lstrip("/")) is not None


def compile_template(template: str) -> re.Pattern[str]:
    """A pattern for {id}, {id?}, {id:int}, {*rest} and literals. Raises DevhostError for other templates.

    Letter case and one slash at the end do not matter. An empty segment fits only inside {*rest}.
    """
    pattern = "".join(_segment(segment) for segment in filter(None, template.split("/")))
    return re.compile(f"(?i){pattern}/?")


def _segment(segment: str) -> str:
    found = _PARAMETER.fullmatch(segment)
    if found is None:
        if "{" in segment:
            raise DevhostError(
                f"The local host does not support the route segment {segment}: make the parameter the whole segment."
            )
        return "/" + re.escape(segment)
    if found["star"]:
        return f"(?:/(?P<{found['name']}>(?!/).*))?"
    value = "[^/]+"
    for constraint in filter(None, found["constraints"].split(":")):
        if constraint not in _CONSTRAINTS:
            raise DevhostError(
                f"The local host does not support the route constraint {constraint}: use one of {[*_CONSTRAINTS]}."
            )
        value = _CONSTRAINTS[constraint]
    piece = f"/(?P<{found['name']}>{value})"
    return f"(?:{piece})?" if found["optional"] else piece


def _refuse(function: Function, template: str, earlier: Iterable[Route]) -> None:
    if not _NAME.fullmatch(function.name):
        raise DevhostError(f"The host refuses the function name {function.name}: letters, digits, _ and - only.")
    if is_reserved(function.route):
        raise DevhostError(f"{function.name}: the host keeps routes below admin and runtime for itself.")
    if "//" in template:
        raise DevhostError(f"{function.name}: the host refuses // in the route {template}.")
    for route in earlier:
        same_methods = not (route.function.methods and function.methods) or route.function.methods & function.methods
        if route.template.lower() == template.lower() and same_methods:
            raise DevhostError(
                f"{function.name}: the host refuses this route, because {route.function.name} has it already."
            )
