"""The part of the catalogue that a tenant has. Whatever a tenant has not is, for its requests, declared nowhere.

A model of a resource type takes some milliseconds and hundreds of kilobytes. So there is one for each distinct set of
extensions, and not one for each tenant or each request.
"""

from dataclasses import replace

from scim_core.caches import Bounded
from scim_core.chosen_schemas import AS_BY_DEFAULT, ChosenSchemas
from scim_core.protocol.schemas import Catalogue, ResourceType, extended

MAX_SETS = 50
"""Distinct sets of resource types and extensions that are remembered. Measured: the first request of a set takes 15 ms
more than others, and a set has 0.4 MB once it was used in every way. With more sets in use, some are made again."""


class Catalogues:
    """The catalogues of all tenants, each a part of the whole one.

    If tenants are told apart `by_tenant`, what is off by default is there for the tenants that it is allowed. Without a
    registry there is one tenant, which has everything.
    """

    def __init__(self, whole: Catalogue, *, by_tenant: bool) -> None:
        self.whole = whole
        self.by_tenant = by_tenant
        self._catalogues: Bounded[ChosenSchemas, Catalogue] = Bounded(MAX_SETS)
        self._types: Bounded[tuple[str, frozenset[str]], ResourceType] = Bounded(MAX_SETS)

    def of(self, chosen: ChosenSchemas = AS_BY_DEFAULT) -> Catalogue:
        """What a tenant with this choice has; the whole catalogue itself if that is everything."""
        if not self.by_tenant:
            return self.whole
        known = self._catalogues.get(chosen)
        if known is None:
            known = self._part(chosen)
            self._catalogues.put(chosen, known)
        return known

    def hidden(self, catalogue: Catalogue) -> frozenset[str]:
        """The names of the resource types that the deployment has, and the tenants with this catalogue have not."""
        return frozenset(item.name for item in self.whole if catalogue.named(item.name) is None)

    def _part(self, chosen: ChosenSchemas) -> Catalogue:
        whole = self.whole.resource_types
        types = {path: self._of(item, chosen) for path, item in whole.items() if self._has(item.name, chosen)}
        if all(types.get(path) is item for path, item in whole.items()):
            return self.whole
        used = {urn for item in types.values() for urn in (item.schema, *item.extensions)}
        schemas = {urn: document for urn, document in self.whole.schemas.items() if urn in used}
        return replace(self.whole, resource_types=types, schemas=schemas)

    def _of(self, resource_type: ResourceType, chosen: ChosenSchemas) -> ResourceType:
        """The resource type with the extensions that the tenant has."""
        hidden = frozenset(urn for urn in resource_type.extensions if not self._has(urn, chosen))
        if not hidden:
            return resource_type
        key = (resource_type.name, hidden)
        known = self._types.get(key)
        if known is None:
            known = _without(resource_type, hidden)
            self._types.put(key, known)
        return known

    def _has(self, name: str, chosen: ChosenSchemas) -> bool:
        return chosen.has(name, by_default=name.lower() not in self.whole.off_by_default)


def _without(resource_type: ResourceType, hidden: frozenset[str]) -> ResourceType:
    """The resource type of a tenant that has not these extensions of it."""
    models = resource_type.model.get_extension_models()
    left = {urn: attributes for urn, attributes in resource_type.extensions.items() if urn not in hidden}
    return replace(
        resource_type,
        extensions=left,
        extension_urns={urn.lower(): urn for urn in left},
        model=extended(resource_type.core_model, [models[urn] for urn in left]),
        required_extensions=tuple(urn for urn in resource_type.required_extensions if urn in left),
        declared_extensions=tuple(resource_type.extensions),
    )
