"""A SCIM 2.0 service provider (RFC 7643, RFC 7644): transport-free, over a storage port."""

from scim_core.composition import back_up, build
from scim_core.endpoint.endpoint import Endpoint
from scim_core.messages import ScimRequest, ScimResponse
from scim_core.protocol.schemas import DefinitionError
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
]
