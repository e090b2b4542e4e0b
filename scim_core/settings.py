"""The operator's settings: read once from the environment, checked, and then passed on as a value."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scim_core.ids import UUID
from scim_core.mass_change_settings import USUAL, MassChangeSettings, mass_change_settings
from scim_core.master_key import MASTER_KEY_BYTES, MasterKey
from scim_core.registry import GroupPatchAnswer

DEFAULT_SWEEP_SCHEDULE = "0 */5 * * * *"
"""Every five minutes, in the six fields of the Functions host. Unfinished work waits no longer than that."""

MIN_TENANT_REQUESTS = 25
"""Requests a second that every tenant may send. Entra sends as many (entra.md)."""

DEFAULT_TENANT_REQUESTS = 250
"""Requests a second of one tenant, unless the operator says otherwise: ten times as many."""

MIN_TOKEN_MINUTES, MAX_TOKEN_MINUTES = 60, 360
"""Lifetimes of an access token that Entra accepts."""

DEFAULT_TRUSTED_PROXIES = 1
"""Azure's own front end: it appends the address that it sees to X-Forwarded-For."""

DEFAULT_ENTRA_AUTHORITY = "https://login.microsoftonline.com"
"""Entra's public cloud."""

DEFAULT_BACKUP_SCHEDULE = "0 15 2 * * *"
"""Every night: a backup costs a read of the whole directory."""

DEFAULT_FEED_DAYS = 30
"""Days that entries of the feed are kept. A copy that was away for longer begins with a snapshot."""

DEFAULT_LOG_DAYS = 90
"""Days that the provisioning log is kept."""

MAX_LOG_DAYS = 3_650
"""Ten years: longer, nobody may keep what was done to people."""

MIN_BACKUP_KEY_BYTES = 32
"""As many as HMAC-SHA-256 makes: with a shorter key, the key is easier to guess than a signature."""

DEFAULT_INSTANCE_CONCURRENCY = 32
"""Requests that the platform gives an instance at a time: the default of the Bicep files."""

_SPANS = "With it, spans go to Application Insights."
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AUDIENCE = re.compile(r"[!-~]{1,200}")
_VAULT_KEY = re.compile(r"https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d{1,5})?/keys/[A-Za-z0-9-]{1,127}")
_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")


class SettingsError(ValueError):
    """A setting is missing, wrong, or contradicts another. The text names it and says what to do."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Where the directory is. A command-line tool needs to know only this about a deployment."""

    table_name: str
    storage_connection: str | None
    storage_account_url: str | None
    storage_identity_client_id: str | None
    registry_table_name: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "StorageSettings":
        """The settings of this environment. Raises SettingsError, naming the setting, when one is unusable."""
        connection = environment.get("SCIM_STORAGE_CONNECTION", "").rstrip("; ") or None
        account_url = environment.get("SCIM_STORAGE_ACCOUNT_URL") or None
        if bool(connection) == bool(account_url):
            raise SettingsError(
                "Set exactly one of SCIM_STORAGE_ACCOUNT_URL (https://<account>.table.core.windows.net, read with the "
                "function app's identity) and SCIM_STORAGE_CONNECTION (a connection string, for Azurite)."
            )
        table_name = environment.get("SCIM_TABLE_NAME") or "scim"
        registry_table_name = environment.get("SCIM_REGISTRY_TABLE_NAME") or None
        require_table_name("SCIM_TABLE_NAME", table_name)
        if registry_table_name:
            require_table_name("SCIM_REGISTRY_TABLE_NAME", registry_table_name)
        if registry_table_name and registry_table_name.lower() == table_name.lower():
            raise SettingsError("SCIM_REGISTRY_TABLE_NAME must be empty, or name another table than SCIM_TABLE_NAME.")
        return cls(
            table_name=table_name,
            storage_connection=connection,
            storage_account_url=account_url,
            storage_identity_client_id=environment.get("SCIM_STORAGE_IDENTITY_CLIENT_ID") or None,
            registry_table_name=registry_table_name,
        )


@dataclass(frozen=True, slots=True)
class VendorIdentity:
    """The vendor's own Entra tenant, and the audience of its tokens for this service. Both are needed."""

    tenant: str
    audience: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one deployment. Docs: local.settings.sample.json lists every one."""

    storage: StorageSettings
    token_sha256: tuple[str, ...]
    public_base_url: str | None
    schema_directory: Path | None
    sweep_schedule: str = DEFAULT_SWEEP_SCHEDULE
    has_registry: bool = False
    signing_keys: tuple[str, ...] = field(default=(), repr=False)
    token_minutes: int = MIN_TOKEN_MINUTES
    entra_authority: str = DEFAULT_ENTRA_AUTHORITY
    allows_entra_tokens: bool = False
    tenant_requests_per_second: int = DEFAULT_TENANT_REQUESTS
    trusted_proxies: int = DEFAULT_TRUSTED_PROXIES
    through_proxy: bool = False
    backup_container_url: str | None = None
    backup_schedule: str = DEFAULT_BACKUP_SCHEDULE
    group_patch_answer: GroupPatchAnswer = GroupPatchAnswer.NO_CONTENT
    backup_key: bytes | None = field(default=None, repr=False)
    feed_token_sha256: tuple[str, ...] = ()
    vendor_identity: VendorIdentity | None = None
    instance_concurrency: int = DEFAULT_INSTANCE_CONCURRENCY
    master_key: MasterKey | None = field(default=None, repr=False)
    feed_days: int = DEFAULT_FEED_DAYS
    log_days: int = DEFAULT_LOG_DAYS
    hooks_to_loopback: bool = False
    mass_changes: MassChangeSettings = USUAL
    queue_account_url: str | None = None
    exports_spans: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings of this environment. Raises SettingsError, naming the setting, when one is unusable."""
        refuse_unresolved(environment)
        directory = environment.get("SCIM_SCHEMA_DIRECTORY")
        storage = StorageSettings.from_environment(environment)
        backup_url = _container_url(environment.get("SCIM_BACKUP_CONTAINER_URL", ""))
        if backup_url and not storage.storage_account_url:
            raise SettingsError(
                "SCIM_BACKUP_CONTAINER_URL needs SCIM_STORAGE_ACCOUNT_URL: both are reached with the app's identity."
            )
        has_registry = _has_registry(environment.get("SCIM_TENANTS", ""))
        tokens = _token_hashes(environment.get("SCIM_TOKEN_SHA256", ""), required=not has_registry)
        return cls(
            storage=storage,
            token_sha256=tokens,
            feed_token_sha256=_feed_token_hashes(environment.get("SCIM_FEED_TOKEN_SHA256", ""), tokens),
            vendor_identity=_vendor_identity(environment),
            instance_concurrency=number(
                environment, "SCIM_INSTANCE_CONCURRENCY", DEFAULT_INSTANCE_CONCURRENCY, 1, 1_000
            ),
            master_key=master_key(environment),
            public_base_url=base_url(environment.get("SCIM_PUBLIC_BASE_URL", ""), required=has_registry),
            schema_directory=Path(directory) if directory else None,
            sweep_schedule=_schedule(environment, "SCIM_SWEEP_SCHEDULE", DEFAULT_SWEEP_SCHEDULE),
            backup_container_url=backup_url,
            backup_schedule=_schedule(environment, "SCIM_BACKUP_SCHEDULE", DEFAULT_BACKUP_SCHEDULE),
            backup_key=backup_key(environment),
            has_registry=has_registry,
            signing_keys=_signing_keys(environment, required=has_registry),
            token_minutes=number(
                environment, "SCIM_ACCESS_TOKEN_MINUTES", MIN_TOKEN_MINUTES, MIN_TOKEN_MINUTES, MAX_TOKEN_MINUTES
            ),
            entra_authority=authority(environment.get("SCIM_ENTRA_AUTHORITY") or DEFAULT_ENTRA_AUTHORITY),
            allows_entra_tokens=_allows_entra_tokens(environment.get("SCIM_ENTRA_TOKENS", "")),
            tenant_requests_per_second=number(
                environment, "SCIM_TENANT_REQUESTS_PER_SECOND", DEFAULT_TENANT_REQUESTS, MIN_TENANT_REQUESTS, 1_000_000
            ),
            trusted_proxies=number(environment, "SCIM_TRUSTED_PROXIES", DEFAULT_TRUSTED_PROXIES, 0, 10),
            through_proxy=_through_proxy(environment.get("SCIM_HTTP", "")),
            group_patch_answer=_group_patch_answer(environment.get("SCIM_GROUP_PATCH_ANSWER", "")),
            feed_days=number(environment, "SCIM_FEED_DAYS", DEFAULT_FEED_DAYS, 1, MAX_LOG_DAYS),
            log_days=number(environment, "SCIM_LOG_DAYS", DEFAULT_LOG_DAYS, 1, MAX_LOG_DAYS),
            hooks_to_loopback=hooks_to_loopback(environment),
            mass_changes=mass_change_settings(environment, number, flag),
            queue_account_url=queue_account_url(environment),
            exports_spans=flag(environment, "SCIM_TELEMETRY", _SPANS, on="azure-monitor"),
        )


def require_table_name(setting: str, table: str) -> None:
    """Raises SettingsError, which names the setting or the argument, if no table can have this name."""
    if not _TABLE_NAME.fullmatch(table):
        raise SettingsError(f"{setting} must be 3 to 63 letters and digits that start with a letter.")


def refuse_unresolved(environment: Mapping[str, str]) -> None:
    """Raises SettingsError for a value that is still a reference to Key Vault: the platform could not resolve it."""
    for name, value in environment.items():
        if name.startswith("SCIM_") and value.lstrip().lower().startswith("@microsoft.keyvault("):
            raise SettingsError(
                f"The vault reference of {name} was not resolved: the secret is not in the vault, the app's identity "
                "lacks the role Key Vault Secrets User, or the vault's network is closed to the app. The portal says "
                "which, under Configuration."
            )


def _token_hashes(text: str, *, required: bool) -> tuple[str, ...]:
    hashes = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not hashes and required:
        raise SettingsError(
            "SCIM_TOKEN_SHA256 is not set: without it no client could be authenticated. Set it to the SHA-256 "
            "(64 hex digits) of the bearer token; two, separated by a comma, while a token is being rotated. "
            "For many customers, set SCIM_TENANTS to registry instead."
        )
    if not all(_SHA256.fullmatch(item) for item in hashes):
        raise SettingsError("SCIM_TOKEN_SHA256 must hold SHA-256 values of 64 hex digits, separated by commas.")
    return hashes


def _feed_token_hashes(text: str, tokens: Sequence[str]) -> tuple[str, ...]:
    hashes = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not all(_SHA256.fullmatch(item) for item in hashes):
        raise SettingsError("SCIM_FEED_TOKEN_SHA256 must hold SHA-256 values of 64 hex digits, separated by commas.")
    if not set(hashes).isdisjoint(tokens):
        raise SettingsError(
            "SCIM_FEED_TOKEN_SHA256 and SCIM_TOKEN_SHA256 name the same token. Make another token for the feed: who "
            "reads the feed must not be able to change the directory."
        )
    return hashes


def _vendor_identity(environment: Mapping[str, str]) -> VendorIdentity | None:
    tenant = environment.get("SCIM_FEED_ENTRA_TENANT", "").strip().lower()
    audience = environment.get("SCIM_FEED_ENTRA_AUDIENCE", "").strip()
    if bool(tenant) != bool(audience):
        raise SettingsError("Set both SCIM_FEED_ENTRA_TENANT and SCIM_FEED_ENTRA_AUDIENCE, or neither.")
    if not tenant:
        return None
    if not UUID.fullmatch(tenant):
        raise SettingsError("SCIM_FEED_ENTRA_TENANT must be the GUID of your own Entra tenant.")
    if not _AUDIENCE.fullmatch(audience):
        raise SettingsError(
            "SCIM_FEED_ENTRA_AUDIENCE must be the application id of this service in your Entra tenant, or its "
            "Application ID URI."
        )
    return VendorIdentity(tenant, audience)


def _has_registry(text: str) -> bool:
    if text not in ("", "one", "registry"):
        raise SettingsError(
            "SCIM_TENANTS must be one (a single tenant, whose token SCIM_TOKEN_SHA256 names) or registry (many "
            "tenants, which `python -m scim_core.admin` creates)."
        )
    return text == "registry"


def _signing_keys(environment: Mapping[str, str], *, required: bool) -> tuple[str, ...]:
    """The texts of the keys, or URLs of keys in a vault. Whether a text is a usable key is checked by LocalKey."""
    signing = environment.get("SCIM_SIGNING_KEY", "")
    other = environment.get("SCIM_SIGNING_KEY_OTHER", "")
    if not signing and (required or other):
        raise SettingsError(
            "SCIM_SIGNING_KEY is not set: with SCIM_TENANTS=registry it signs access tokens. "
            "`python -m scim_core.admin signing-key` makes one; keep it in Key Vault. Or give the URL of a key in the "
            "vault."
        )
    texts = tuple(text for text in (signing, other) if text)
    if not all(_VAULT_KEY.fullmatch(text) for text in texts if text.lower().startswith("http")):
        raise SettingsError(
            "SCIM_SIGNING_KEY and SCIM_SIGNING_KEY_OTHER must look like https://<vault>.vault.azure.net/keys/<name>, "
            "without a version, if a key is in a vault: the newest version signs."
        )
    return texts


def authority(text: str) -> str:
    """The authority's URL. Keys come from it, so it must be https. Only this machine's own addresses may be http."""
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+|http://(localhost|127\.0\.0\.1)(:\d{1,5})?", text):
        raise SettingsError(f"SCIM_ENTRA_AUTHORITY must look like {DEFAULT_ENTRA_AUTHORITY}: https, and a host alone.")
    return text


def _allows_entra_tokens(text: str) -> bool:
    if text not in ("", "allow"):
        raise SettingsError(
            "SCIM_ENTRA_TOKENS must be allow or empty. allow accepts Entra's own tokens (credentials of the kind "
            "entra), which are for tests: whoever else gets such a token from the customer's Entra can use it here."
        )
    return text == "allow"


def _through_proxy(text: str) -> bool:
    if text not in ("", "grpc", "proxy"):
        raise SettingsError(
            "SCIM_HTTP must be grpc (the default: requests come in the host's messages) or proxy (they come through "
            "its HTTP proxy, so that a body may be sent in chunks)."
        )
    return text == "proxy"


def backup_key(environment: Mapping[str, str]) -> bytes | None:
    """The key that signs exports; None if it is not set. Raises SettingsError for a text that is no key."""
    key = _secret_bytes(environment, "SCIM_BACKUP_KEY")
    if key is not None and len(key) < MIN_BACKUP_KEY_BYTES:
        raise SettingsError(
            f"SCIM_BACKUP_KEY must be at least {MIN_BACKUP_KEY_BYTES} random bytes in Base64url. "
            "`python -m scim_core.admin backup-key` makes one; keep it in Key Vault, and in a second place."
        )
    return key


def master_key(environment: Mapping[str, str]) -> MasterKey | None:
    """The master secret; None if it is not set. Raises SettingsError for a text that is none."""
    secret = _secret_bytes(environment, "SCIM_MASTER_KEY")
    if secret is None:
        return None
    if len(secret) != MASTER_KEY_BYTES:
        raise SettingsError(
            f"SCIM_MASTER_KEY must be {MASTER_KEY_BYTES} random bytes in Base64url. "
            "`python -m scim_core.admin master-key` makes one; keep it in Key Vault."
        )
    return MasterKey(secret)


def hooks_to_loopback(environment: Mapping[str, str]) -> bool:
    """Whether hooks may send to this machine itself, also over http. Raises SettingsError for another word."""
    means = "true lets hooks send to this machine itself, over http, too: for trying them."
    return flag(environment, "SCIM_HOOKS_TO_LOOPBACK", means)


def flag(environment: Mapping[str, str], name: str, means: str, *, on: str = "true") -> bool:
    """Whether the setting is `on`. Raises SettingsError, with what it means, for another word."""
    text = environment.get(name, "")
    if text not in ("", on):
        raise SettingsError(f"{name} must be {on} or empty. {means}")
    return text == on


def queue_account_url(environment: Mapping[str, str]) -> str | None:
    """Where the queues of hooks are; None if it is not set. Raises SettingsError for a text that is no such URL."""
    text = environment.get("SCIM_QUEUE_ACCOUNT_URL", "").rstrip("/")
    if text and not re.fullmatch(r"https://[A-Za-z0-9.-]+", text):
        raise SettingsError("SCIM_QUEUE_ACCOUNT_URL must look like https://<account>.queue.core.windows.net.")
    return text or None


def _secret_bytes(environment: Mapping[str, str], name: str) -> bytes | None:
    """The bytes of a setting in Base64url. None if it is not set; none at all for a text that is not Base64url."""
    text = environment.get(name, "").strip()
    if not text:
        return None
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _group_patch_answer(text: str) -> GroupPatchAnswer:
    if text not in ("", *GroupPatchAnswer):
        raise SettingsError("SCIM_GROUP_PATCH_ANSWER must be 204 (nothing, the usual) or 200 (the whole group).")
    return GroupPatchAnswer(text or GroupPatchAnswer.NO_CONTENT)


def number(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """The setting, or the default. Raises SettingsError for what is no number, or out of bounds."""
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise SettingsError(f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def _schedule(environment: Mapping[str, str], name: str, default: str) -> str:
    text = (environment.get(name) or default).strip()
    if not re.fullmatch(r"[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){5}", text):
        raise SettingsError(f"{name} must be an NCRONTAB expression of six fields, seconds first, such as {default}.")
    return text


def _container_url(text: str) -> str | None:
    if not text:
        return None
    if not re.fullmatch(r"https://[A-Za-z0-9.:-]+(/[A-Za-z0-9-]+){1,2}", text):
        raise SettingsError(
            "SCIM_BACKUP_CONTAINER_URL must look like https://<account>.blob.core.windows.net/<container>, without a "
            "signature: it is reached with the function app's identity."
        )
    return text


def base_url(text: str, *, required: bool) -> str | None:
    """Scheme and host as clients see them, without a slash at the end. None if not set. Raises SettingsError."""
    if not text and required:
        raise SettingsError(
            "SCIM_PUBLIC_BASE_URL is not set: with SCIM_TENANTS=registry access tokens are issued by it and for it. "
            "Set it to scheme and host as clients see them, such as https://scim.example.com."
        )
    if not text:
        return None
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", text):
        raise SettingsError("SCIM_PUBLIC_BASE_URL must look like https://scim.example.com, without query or fragment.")
    return text.rstrip("/")
