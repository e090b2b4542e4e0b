"""A SCIM 2.0 service provider (RFC 7643, RFC 7644): transport-free, over a storage port.

The folders are rooms, and docs/architecture.md draws them. `composition` puts them together. The other modules are the
ground: every room may use them.

Read first: `composition`, `messages` (a request, an answer, an HTTP error), `model` (what is stored), `registry`
(tenants and credentials). To add a setting, go to `settings`. Time comes from `clock`, a resource's id from `ids`, a
memory of bounded size from `caches`.
"""

from scim_core.composition import back_up, build, build_or_refuse
from scim_core.endpoint.endpoint import Endpoint
from scim_core.messages import ScimRequest, ScimResponse
from scim_core.protocol.definition_files import DefinitionError
from scim_core.settings import Settings, SettingsError
from scim_core.version import __version__

__all__ = [
    "DefinitionError",
    "Endpoint",
    "ScimRequest",
    "ScimResponse",
    "Settings",
    "SettingsError",
    "__version__",
    "back_up",
    "build",
    "build_or_refuse",
]
