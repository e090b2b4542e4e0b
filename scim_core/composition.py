"""Puts the rooms together: it makes an endpoint from settings."""

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Mapping

from scim_core.access.auth_failures import FailureWatch
from scim_core.access.authenticator import Authenticator, Tenancy
from scim_core.access.oauth.access_tokens import AccessTokens
from scim_core.access.oauth.app_role import AppRole
from scim_core.access.oauth.clients import Clients
from scim_core.access.oauth.entra import EntraTokens
from scim_core.access.oauth.key_server import fetch_key_set
from scim_core.access.oauth.signing_keys import signing_keys
from scim_core.access.oauth.vault import Vault, VaultCall, VaultError
from scim_core.access.rate_limits import BURST_SECONDS, RateLimit
from scim_core.access.tenant_cache import TenantCache
from scim_core.clock import Clock, Timer, utc_now
from scim_core.counted_log import CountedLog
from scim_core.endpoint.bulk import Bulk
from scim_core.endpoint.endpoint import Endpoint, Gate
from scim_core.endpoint.feed_handlers import FeedHandlers, Waiting
from scim_core.endpoint.handlers import Handlers
from scim_core.endpoint.oauth_endpoint import Issuing, OAuthEndpoint
from scim_core.endpoint.unconfigured import Unconfigured
from scim_core.endpoint.wakes import Wakes
from scim_core.feed.attempts import Attempts
from scim_core.feed.feed import Feed, Kept
from scim_core.feed.hooks.delivery import Hooks
from scim_core.feed.hooks.security_events import EVENT_URIS
from scim_core.feed.hooks.sending import HttpSender, PutMessage, Senders
from scim_core.feed.kicks import Kicks
from scim_core.ids import uuid7
from scim_core.messages import BASE_PATH
from scim_core.protocol.definition_files import DefinitionError
from scim_core.protocol.schemas import load_catalogue
from scim_core.registry import Access, TenantSource
from scim_core.service.ignored_input import IgnoredInput
from scim_core.service.list_cursors import ListCursors
from scim_core.service.search import Search
from scim_core.service.service_provider import ServiceProvider
from scim_core.settings import Settings, SettingsError
from scim_core.storage.hook_port import HookStorage
from scim_core.storage.port import StorageError
from scim_core.traces import NO_TRACER, Tracer
from scim_core.version import __version__
from scim_core.work import UNITS_OF_A_TENANT, Pause, Shares


def build(
    settings: Settings,
    storage: HookStorage | None = None,
    clock: Clock = utc_now,
    registry: TenantSource | None = None,
    timer: Timer = time.monotonic,
    *,
    vault: VaultCall | None = None,
    pause: Pause = asyncio.sleep,
    relays: bool = False,
    tracer: Tracer = NO_TRACER,
) -> Endpoint:
    """The endpoint of these settings. It reads and writes no row before its first request.

    The default for `storage` and `registry` is the table that the settings name, for `vault` Azure's, asked with the
    app's identity. Who has to wait waits with `pause`. With `relays`, tasks of this event loop relay changes, deliver
    them to hooks, and log refusals after the answers. Otherwise a reader of the feed relays changes, or the timer does.
    `tracer` records spans. Raises DefinitionError for unusable schema files, SettingsError for unusable keys.
    """
    if storage is None:
        from scim_core.storage.tables import table_storage  # noqa: PLC0415 -- tests without Azure need not import its SDK

        storage = table_storage(settings.storage, clock, tracer)

    def new_id() -> str:
        return uuid7(clock())

    catalogue = load_catalogue(settings.schema_directory)
    counted = CountedLog(timer)
    provider = ServiceProvider(
        storage, catalogue, clock=clock, new_id=new_id, pause=asyncio.sleep, ignored=IgnoredInput(counted)
    )
    handlers = Handlers(
        catalogue,
        provider,
        Search(storage, clock),
        storage,
        cursors=ListCursors(settings.master_key, clock, secrets.token_bytes) if settings.master_key else None,
        event_uris=EVENT_URIS if settings.master_key else (),
        version=__version__,
        counted=counted,
        group_patch_answer=settings.group_patch_answer,
    )
    entra = _entra(settings, clock, timer) if settings.has_registry or settings.vendor_identity else None
    tenancy = None
    if entra and settings.has_registry:
        tenancy = _tenancy(settings, registry, entra, clock=clock, timer=timer, vault=vault, tracer=tracer)
    gate = _gate(settings, tenancy, entra, counted, timer=timer, pause=pause)
    feed = Feed(storage, catalogue, clock, Kept(settings.feed_days, settings.log_days))
    hooks = Hooks(
        storage,
        catalogue,
        Senders(HttpSender(to_loopback=settings.hooks_to_loopback), _put_message(settings, clock)),
        settings.master_key,
        clock=clock,
        timer=timer,
        new_id=new_id,
        pause=asyncio.sleep,
        tracer=tracer,
    )
    wakes = Wakes(pause)
    return Endpoint(
        catalogue,
        handlers,
        FeedHandlers(feed, hooks, Waiting(settings.instance_concurrency), wakes, timer),
        gate,
        _kicks(feed, hooks, wakes) if relays else None,
        hooks=hooks,
        attempts=Attempts(storage.attempted, asyncio.sleep, timer) if relays else None,
        bulk=Bulk(catalogue, handlers, timer),
        clock=clock,
        timer=timer,
        new_id=new_id,
        public_base_url=settings.public_base_url,
        tracer=tracer,
    )


def build_or_refuse(
    environment: Mapping[str, str], new_tracer: Callable[[], Tracer] | None = None
) -> tuple[Settings | None, Endpoint | Unconfigured]:
    """The settings of this environment with their endpoint. If they are unusable: none, and what answers 503 instead.

    `new_tracer` is asked for the tracer if the settings want spans to be exported. It must not raise.
    The cause also goes to standard error. Before the first call, the host keeps only lines that hold the word `error`.
    """
    try:
        settings = Settings.from_environment(environment)
        tracer = new_tracer() if settings.exports_spans and new_tracer else NO_TRACER
        return settings, build(settings, relays=True, tracer=tracer)
    except (SettingsError, DefinitionError) as error:
        cause = " ".join(str(error).split())
        sys.stderr.write(f"error: {cause}\n")
        return None, Unconfigured(cause, time.monotonic)


def _kicks(feed: Feed, hooks: Hooks, wakes: Wakes) -> Kicks:
    """Relays after a change, wakes who waits, and then delivers: a receiver that is slow holds up no relay."""
    delivering = Kicks(hooks.deliver, asyncio.sleep)

    async def relay(tenant: str) -> None:
        if await feed.relay(tenant):
            wakes.wake(tenant)
        delivering.kick(tenant)

    return Kicks(relay, asyncio.sleep)


def _entra(settings: Settings, clock: Clock, timer: Timer) -> EntraTokens:
    """Verifies what Entra signs."""
    from scim_core.access.oauth.keys import PublicKeys  # noqa: PLC0415 -- PyJWT is imported only where tokens of Entra are

    return EntraTokens(settings.entra_authority, PublicKeys(fetch_key_set, timer), clock)


def _tenancy(
    settings: Settings,
    registry: TenantSource | None,
    entra: EntraTokens,
    *,
    clock: Clock,
    timer: Timer,
    vault: VaultCall | None,
    tracer: Tracer,
) -> Tenancy:
    """What is needed to authenticate registered credentials."""
    if registry is None:
        from scim_core.storage.tables import table_registry  # noqa: PLC0415 -- as above

        registry = table_registry(settings.storage, tracer)
    issuer = settings.public_base_url or ""
    access_tokens = AccessTokens(
        signing_keys(settings.signing_keys, vault or _vault(settings), clock, timer),
        issuer=issuer,
        audience=f"{issuer}{BASE_PATH}",
        seconds=settings.token_minutes * 60,
        clock=clock,
        new_id=lambda: uuid7(clock()),
    )
    return Tenancy(
        TenantCache(registry, timer), access_tokens, entra, clock, allows_entra_tokens=settings.allows_entra_tokens
    )


def _put_message(settings: Settings, clock: Clock) -> PutMessage | None:
    """Puts messages into the queues of the account that the settings name; None if they name none."""
    from scim_core.storage.queues import queues_of  # noqa: PLC0415 -- as above

    queues = queues_of(settings.storage, settings.queue_account_url, clock)
    return queues.put if queues else None


def _vault(settings: Settings) -> Vault:
    """Calls to a vault with the identity that reaches the tables, too. It asks for a token with the first call."""
    from scim_core.storage.tables.identity import Tokens  # noqa: PLC0415 -- as above

    tokens = Tokens(settings.storage.storage_identity_client_id)

    async def token(scope: str) -> str:
        try:
            return await tokens.token(scope)
        except StorageError as error:
            raise VaultError(str(error)) from None

    return Vault(token)


def _gate(
    settings: Settings,
    tenancy: Tenancy | None,
    entra: EntraTokens | None,
    counted: CountedLog,
    *,
    timer: Timer,
    pause: Pause,
) -> Gate:
    rate = settings.tenant_requests_per_second
    requests = RateLimit(rate, rate * BURST_SECONDS, timer)
    watch = FailureWatch(timer, requests, counted)
    issuing = None
    if tenancy is not None:
        clients = Clients(tenancy.tenants, tenancy.entra, tenancy.clock)
        issuing = Issuing(tenancy.tenants, clients, tenancy.access_tokens, tenancy.clock)
    tokens = dict.fromkeys(settings.token_sha256, Access.WRITE) | dict.fromkeys(settings.feed_token_sha256, Access.FEED)
    role = AppRole(settings.vendor_identity, entra) if settings.vendor_identity and entra else None
    return Gate(
        authenticator=Authenticator(tokens, tenancy, role, watch),
        oauth=OAuthEndpoint(issuing, watch, timer),
        watch=watch,
        requests=requests,
        counted=counted,
        tenants=tenancy.tenants if tenancy else None,
        trusted_proxies=settings.trusted_proxies,
        shares=Shares(timer, pause, rate=UNITS_OF_A_TENANT if tenancy else None),
    )


async def back_up(settings: Settings, clock: Clock = utc_now) -> int:
    """How many tenants were exported to the container of the settings. Raises StorageError if an export fails."""
    from scim_core.storage.maintenance import backup, signing  # noqa: PLC0415 -- no request needs it

    key = signing.BackupKey(settings.backup_key) if settings.backup_key else None
    return await backup.back_up(settings.storage, settings.backup_container_url or "", key, clock)
