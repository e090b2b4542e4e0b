"""Stand-ins for the messages of the Functions RPC protocol. azure_functions_runtime gets them as an argument.

They are as strict about types as protobuf. Otherwise code could pass here and fail in Azure. Retry policies and streams
are left out: no function here uses them.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, ClassVar
from urllib.parse import quote


class Message:
    """A message with the fields that it was given. `ONE_OF` has groups of fields: one field of each group is set."""

    ONE_OF: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update({name: value for name, value in fields.items() if value is not None})

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's spelling
        """The field of the group that is set."""
        return next((name for name in self.ONE_OF[group] if name in self.__dict__), None)


class TypedData(Message):
    """A value of one of several types."""

    ONE_OF: ClassVar = {"data": ("string", "json", "bytes", "http", "int", "double")}

    def __init__(self, **fields: Any) -> None:
        for name, kind in (("string", str), ("json", str), ("bytes", bytes)):
            _require(fields.get(name), kind)
        super().__init__(**fields)


class ParameterBinding(Message):
    """A named argument of a function."""

    ONE_OF: ClassVar = {"rpc_data": ("data", "rpc_shared_memory")}


class RpcHttp(Message):
    """An HTTP request or response."""

    def __init__(self, *, status_code: str = "", body: TypedData | None = None, **fields: Any) -> None:
        _require(status_code, str)
        for name in ("headers", "query", "params"):
            for item in (fields.get(name) or {}).items():
                _require(item[0], str)
                _require(item[1], str, needed=True)
            fields[name] = dict(fields.get(name) or {})
        super().__init__(status_code=status_code, body=body or TypedData(), **fields)


class Nullable(Message):
    """A value that may be missing."""

    KIND: ClassVar[type] = object

    def __init__(self, *, value: Any) -> None:
        _require(value, self.KIND, needed=True)
        super().__init__(value=value)


class NullableString(Nullable):
    """A text, or none."""

    KIND = str


class NullableBool(Nullable):
    """True, false, or neither."""

    KIND = bool


class NullableDouble(Nullable):
    """A number, or none."""

    KIND = float


class RpcHttpCookie(Message):
    """A cookie of a response. The host writes its header."""

    SameSite = IntEnum("SameSite", ["None", "Lax", "Strict", "ExplicitNone"], start=0)

    def __init__(self, *, name: str, value: str, **fields: Any) -> None:
        for text in (name, value):
            _require(text, str, needed=True)
        super().__init__(name=name, value=value, **fields)

    def header(self) -> str:
        """What ASP.NET Core writes of it. The value is encoded as part of a URL. `expires` is left out."""
        texts = [f"{name}={found.value}" for name in ("domain", "path") if (found := getattr(self, name, None))]
        age = getattr(self, "max_age", None)
        texts += [f"max-age={age.value:.0f}"] if age else []
        texts += ["secure"] if self.__dict__["secure"].value else []
        same_site = self.__dict__["same_site"]
        texts += [] if same_site == 0 else [f"samesite={same_site.name.removeprefix('Explicit').lower()}"]
        texts += ["httponly"] if self.__dict__["http_only"].value else []
        return "; ".join([f"{self.__dict__['name']}={quote(self.__dict__['value'], safe='')}", *texts])


class BindingInfo(Message):
    """A binding of a function. The numbers are its directions."""

    undefined, out, inout = 0, 1, 2


class StatusResult(Message):
    """How a call went."""

    Failure, Success = 0, 1


class RpcFunctionMetadata(Message):
    """What the worker tells about a function."""


class RpcException(Message):
    """What a function or the indexing raised."""


class WorkerMetadata(Message):
    """What the worker tells about itself."""


class WorkerInitResponse(Message):
    """The answer to the first message: indexed, or not."""


class FunctionMetadataResponse(Message):
    """The functions that were indexed."""


class FunctionLoadResponse(Message):
    """A function is ready."""


class InvocationResponse(Message):
    """What a function returned."""


def _require(value: object, kind: type, *, needed: bool = False) -> None:
    if (needed or value is not None) and not isinstance(value, kind):
        raise TypeError(f"bad argument type for built-in operation: {value!r} is not {kind.__name__}")
