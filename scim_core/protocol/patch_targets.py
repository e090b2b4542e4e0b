"""What an operation of a PATCH changes: an attribute, or all attributes of an extension."""

from dataclasses import dataclass

from scim2_models.path import FilterNode

from scim_core.protocol.attribute_definitions import AttributeDefinition


@dataclass(frozen=True, slots=True)
class AttributeTarget:
    """What a path names: an attribute, the values that a filter selects, or a sub-attribute of these.

    `path` is the full path, with the URN of the extension that declares the attribute.
    """

    path: str
    extension: str | None
    attribute: AttributeDefinition
    sub_attribute: AttributeDefinition | None
    value_filter: FilterNode | None
    of_members: bool
    """Whether the values of the attribute are memberships, as the `members` of a group are."""

    @property
    def held_as(self) -> str:
        """The name in the document under which its values are: the attribute, or the extension that declares it."""
        return self.extension or self.attribute.name

    @property
    def written(self) -> AttributeDefinition:
        """The attribute whose shape a value for this target takes."""
        return self.sub_attribute or self.attribute

    @property
    def whole(self) -> bool:
        """Whether a value stands for all of `written`, and not for one element of it."""
        return self.sub_attribute is not None or self.value_filter is None

    @property
    def read_only(self) -> bool:
        """Whether only the service provider writes there."""
        return self.attribute.read_only or self.written.read_only


@dataclass(frozen=True, slots=True)
class ExtensionTarget:
    """All attributes of an extension; the path is its URN."""

    path: str

    @property
    def held_as(self) -> str:
        """The name in the document under which these are."""
        return self.path
