"""What the service announces: /ServiceProviderConfig, /ResourceTypes and /Schemas (RFC 7644 section 4)."""

from collections.abc import Sequence

from scim2_models import NotFoundException

from scim_core.model import Json
from scim_core.protocol.limits import DEFAULT_COUNT, MAX_BULK_BYTES, MAX_BULK_OPERATIONS, MAX_COUNT
from scim_core.protocol.schemas import SCHEMA_URN, Catalogue, ResourceType

CONFIG_URN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE_URN = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"


class Discovery:
    """The discovery documents of a catalogue. `base_url` is that of the SCIM endpoint.

    Cursors can be used for `cursor_seconds`; None if lists are paged by index alone. `event_uris` are the security
    events that can be sent; empty if none can.
    """

    def __init__(self, catalogue: Catalogue, *, cursor_seconds: int | None, event_uris: Sequence[str]) -> None:
        self._catalogue = catalogue
        self._event_uris = event_uris
        self._cursor_seconds = cursor_seconds

    def service_provider_config(self, base_url: str) -> Json:
        """The ServiceProviderConfig resource (RFC 7643 section 5, RFC 9865 section 4, RFC 9967 section 4)."""
        events = {"asyncRequest": "none", "eventUris": list(self._event_uris)}
        return {
            "schemas": [CONFIG_URN],
            "patch": {"supported": True},
            "bulk": {"supported": True, "maxOperations": MAX_BULK_OPERATIONS, "maxPayloadSize": MAX_BULK_BYTES},
            "filter": {"supported": True, "maxResults": MAX_COUNT},
            "changePassword": {"supported": False},
            "sort": {"supported": True},
            "etag": {"supported": True},
            "pagination": {
                "cursor": self._cursor_seconds is not None,
                "index": True,
                "defaultPaginationMethod": "index",
                "defaultPageSize": DEFAULT_COUNT,
                "maxPageSize": MAX_COUNT,
                **({"cursorTimeout": self._cursor_seconds} if self._cursor_seconds is not None else {}),
            },
            **({"securityEvents": events} if self._event_uris else {}),
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "OAuth Bearer Token",
                    "description": "A bearer token in the Authorization header of every request.",
                    "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
                    "primary": True,
                }
            ],
            "meta": {
                "resourceType": "ServiceProviderConfig",
                "location": f"{base_url}/ServiceProviderConfig",
            },
        }

    def resource_types(self, base_url: str) -> list[Json]:
        """All ResourceType resources (RFC 7643 section 6). User is the first: some clients take the first for it."""
        ordered = sorted(self._catalogue, key=lambda item: item.name != "User")
        return [_resource_type(item, base_url) for item in ordered]

    def resource_type(self, name: str, base_url: str) -> Json:
        """One ResourceType by its name. Raises NotFoundException."""
        found = self._catalogue.named(name)
        if found is None:
            raise NotFoundException(detail=f"There is no resource type {name[:80]!r}.")
        return _resource_type(found, base_url)

    def schemas(self, base_url: str) -> list[Json]:
        """The schemas of the resources served. Clients build attribute mappings from exactly these."""
        return [_schema(item, base_url) for item in self._catalogue.schemas.values()]

    def schema(self, urn: str, base_url: str) -> Json:
        """One schema by its URN, those of the discovery resources included. Raises NotFoundException."""
        for documents in (self._catalogue.schemas, self._catalogue.protocol_schemas):
            for known, document in documents.items():
                if known.lower() == urn.lower():
                    return _schema(document, base_url)
        raise NotFoundException(detail=f"There is no schema {urn[:200]!r}.")


def _resource_type(resource_type: ResourceType, base_url: str) -> Json:
    extensions = [
        {"schema": urn, "required": urn in resource_type.required_extensions} for urn in resource_type.extensions
    ]
    return {
        "schemas": [RESOURCE_TYPE_URN],
        "id": resource_type.name,
        "name": resource_type.name,
        "description": resource_type.description,
        "endpoint": resource_type.endpoint,
        "schema": resource_type.schema,
        **({"schemaExtensions": extensions} if extensions else {}),
        "meta": {"resourceType": "ResourceType", "location": f"{base_url}/ResourceTypes/{resource_type.name}"},
    }


def _schema(document: Json, base_url: str) -> Json:
    return {
        "schemas": [SCHEMA_URN],
        **document,
        "meta": {"resourceType": "Schema", "location": f"{base_url}/Schemas/{document['id']}"},
    }
