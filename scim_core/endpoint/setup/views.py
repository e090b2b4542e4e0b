"""What the setup page says, as plain values for its templates."""

from collections.abc import Sequence
from dataclasses import dataclass

from scim_core.access import connectivity
from scim_core.feed.setup_progress import Progress
from scim_core.protocol.mapping_lint import MappingFinding, Verdict
from scim_core.registry import Access, Credential, CredentialKind, Tenant
from scim_core.storage.feed_port import Mistake

_SECRETS = frozenset({"Secret Token", "Client secret"})
_ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
_GLOBAL_RELAY = "urn:ietf:params:scim:schemas:extension:GlobalRelay:2.0:User"

MAPPINGS = (
    ("userPrincipalName", "userName", "Matching precedence 1: Entra finds people by it."),
    ("Switch([IsSoftDeleted], ...)", "active", "Without it, who leaves stays active here."),
    ("displayName", "displayName", ""),
    ("mail", 'emails[type eq "work"].value', "What stands in the brackets says which address."),
    ("givenName", "name.givenName", ""),
    ("surname", "name.familyName", ""),
    ("department", f"{_ENTERPRISE}:department", "An extension. Its long name is a part of the target."),
    ("manager", f"{_ENTERPRISE}:manager", ""),
)
"""Where Entra's attributes usually go: source, target, and what to know about it."""

EXAMPLE = (
    ("wrkEmail", 'emails[type eq "work"].value'),
    ("homeAddress", 'addresses[type eq "home"].formatted'),
    ("role", 'roles[primary eq "True"].value'),
    ("extensionAttribute_1", f"{_GLOBAL_RELAY}:extensionAttribute1"),
)
"""Targets as somebody may write them at first, and as the mapping of Global Relay has them."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the identity provider's form. A secret has no value here, only words about it."""

    name: str
    value: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One step: `state` is done, now, or waiting; `time` is when it was reached."""

    state: str
    title: str
    text: str
    time: str = ""


def credential_of(tenant: Tenant, now: str) -> Credential | None:
    """The newest credential with which the tenant can be provisioned."""
    good = [item for item in tenant.credentials if item.access is Access.WRITE and not item.fault(now)]
    return max(good, key=lambda item: item.created, default=None)


def entra_fields(credential: Credential | None, base_url: str) -> list[Field]:
    """What to paste into Entra's page, in its order."""
    if credential is None:
        return []
    named = {"Authentication method": connectivity.METHODS[credential.kind]}
    named |= connectivity.fields(credential, "", base_url)
    return [Field(name, value, name in _SECRETS and not value) for name, value in named.items()]


def okta_fields(credential: Credential | None, tenant_url: str) -> list[Field]:
    """What to paste into Okta's page. Okta sends a token. With the other kinds it does not work."""
    if credential is None or credential.kind is not CredentialKind.TOKEN:
        return []
    return [
        Field("SCIM connector base URL", tenant_url),
        Field("Unique identifier field for users", "userName"),
        Field("Supported provisioning actions", "Push New Users, Push Profile Updates, Push Groups"),
        Field("Authentication Mode", "HTTP Header"),
        Field("Authorization", "", secret=True),
    ]


def steps(progress: Progress) -> list[SetupStep]:
    """How far the setup has come, in the order in which it goes."""
    user, group = progress.created.get("User", ""), progress.created.get("Group", "")
    connected = _connection(progress)
    waiting = "now" if progress.arrived and progress.denial is None else "later"
    return [
        connected,
        SetupStep("done", "First user created", "People arrive.", user)
        if user
        else SetupStep(waiting, "First user", "Assign somebody to the application, then choose Provision on demand."),
        SetupStep("done", "First group created", "Groups arrive.", group)
        if group
        else SetupStep("later", "First group", "Only if you assign groups to the application."),
    ]


def _connection(progress: Progress) -> SetupStep:
    denial = progress.denial
    if denial is not None:
        return SetupStep("bad", _TITLES[denial.mistake].format(denial.status), "", denial.time)
    if progress.arrived:
        return SetupStep("done", "Test Connection arrived", "Address and credential are right.", progress.arrived)
    return SetupStep("now", "Test Connection", "Press Test Connection. It shows here within seconds.")


_TITLES = {
    Mistake.CUT: "{}: the token is cut",
    Mistake.MISTYPED: "{}: the token is mistyped",
    Mistake.UNKNOWN: "{}: it is not this token",
    Mistake.REFUSED: "{}: the credential is not good",
}

ADVICE = {
    Mistake.CUT: "A token came that begins as yours does, and its end is missing. Copy the whole token again.",
    Mistake.MISTYPED: "A token came that begins as yours does, and a character is wrong or was added. Copy it again.",
    Mistake.UNKNOWN: "A token came that begins as yours does, and it is not known here. Copy the newest token again.",
    Mistake.REFUSED: "",
}
"""What to do about a credential that was not good. Empty where the answer of the service says it already."""


@dataclass(frozen=True, slots=True)
class CheckedMapping:
    """What is found in a mapping: what to look at, what is stored as sent, or why the file cannot be read."""

    wrong: Sequence[MappingFinding] = ()
    kept: Sequence[MappingFinding] = ()
    failure: str = ""


def checked(found: Sequence[MappingFinding]) -> CheckedMapping:
    """The findings, in the order of the file."""
    kept = [item for item in found if item.verdict is Verdict.KEPT]
    return CheckedMapping([item for item in found if item.verdict is not Verdict.KEPT], kept)


KINDS = {
    Verdict.IGNORED: "bad",
    Verdict.REFUSED: "bad",
    Verdict.MISSING: "bad",
    Verdict.TWICE: "warn",
    Verdict.FLOW: "warn",
    Verdict.SCANNED: "warn",
    Verdict.READ_ONLY: "warn",
    Verdict.OFF: "quiet",
    Verdict.KEPT: "good",
}
"""How grave each verdict looks."""
