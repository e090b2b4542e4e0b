"""Puts the rooms together: it makes an endpoint from settings."""

import asyncio
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from scim_core.access.auth_failures import FailureWatch
from scim_core.access.authenticator import Authenticator, Tenancy
from scim_core.access.ending import EndingCredentials
from scim_core.access.oauth.access_tokens import AccessTokens
from scim_core.access.oauth.app_role import AppRole
from scim_core.access.oauth.clients import Clients
from scim_core.access.oauth.entra import EntraTokens
from scim_core.access.oauth.key_server import fetch_key_set
from scim_core.access.oauth.signing_keys import signing_keys
from scim_core.access.oauth.vault import Vault, VaultCall, VaultError
from scim_core.access.open_links import OpenLinks
from scim_core.access.rate_limits import BURST_SECONDS, RateLimit
from scim_core.access.setup_sessions import SetupSessions
from scim_core.access.tenant_cache import TenantCache
from scim_core.chosen_schemas import AS_BY_DEFAULT
from scim_core.clock import Clock, Timer, utc_now
from scim_core.console_settings import serves_console
from scim_core.counted_log import CountedLog
from scim_core.endpoint.bulk import Bulk
from scim_core.endpoint.endpoint import Endpoint, Gate
from scim_core.endpoint.feed_handlers import FeedHandlers, Waiting
from scim_core.endpoint.handlers import Handlers
from scim_core.endpoint.log_handlers import LogHandlers
from scim_core.endpoint.oauth_endpoint import Issuing, OAuthEndpoint
from scim_core.endpoint.serving import Serving, Servings
from scim_core.endpoint.setup.setup_endpoint import SetupEndpoint
from scim_core.endpoint.unconfigured import Unconfigured
from scim_core.endpoint.wakes import Wakes
from scim_core.feed.attempts import Attempts
from scim_core.feed.feed import Feed, Kept
from scim_core.feed.hooks.delivery import Hooks
from scim_core.feed.hooks.security_events import EVENT_URIS
from scim_core.feed.hooks.sending import HttpSender, PutMessage, Senders
from scim_core.feed.kicks import Kicks
from scim_core.feed.mass_changes import MassChanges
from scim_core.feed.setup_progress import SetupProgress
from scim_core.feed.visitors import Visitors, written_if_there
from scim_core.ids import uuid7
from scim_core.messages import BASE_PATH
from scim_core.protocol.definition_files import DefinitionError
from scim_core.protocol.schemas import Catalogue, load_catalogue
from scim_core.protocol.sub_catalogues import Catalogues
from scim_core.registry import DEFAULT_TENANT, Access, SetupSource, TenantSource
from scim_core.service.ignored_input import IgnoredInput
from scim_core.service.list_cursors import ListCursors
from scim_core.service.search import Search
from scim_core.service.service_provider import ServiceProvider
from scim_core.service.unique_values import held_values
from scim_core.settings import Settings, SettingsError
from scim_core.storage.hook_port import HookStorage
from scim_core.storage.port import StorageError
from scim_core.traces import NO_TRACER, Tracer
from scim_core.version import __version__
from scim_core.work import UNITS_OF_A_TENANT, Pause, Shares

if TYPE_CHECKING:
    from scim_core.console.console import Console


def build(
    settings: Settings,
    storage: HookStorage | None = None,
    clock: Clock = utc_now,
    registry: SetupSource | None = None,
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

    catalogues = Catalogues(load_catalogue(settings.schema_directory), by_tenant=settings.has_registry)
    counted = CountedLog(timer)
    search, ignored = Search(storage, clock), IgnoredInput(counted)
    cursors = ListCursors(settings.master_key, clock, secrets.token_bytes) if settings.master_key else None
    waiting = Waiting(settings.instance_concurrency)
    kept = Kept(settings.feed_days, settings.log_days, settings.mass_changes.deleted_days)

    def serving(catalogue: Catalogue) -> Serving:
        provider = ServiceProvider(
            storage,
            catalogue,
            clock=clock,
            new_id=new_id,
            pause=asyncio.sleep,
            ignored=ignored,
            keeps_deleted=settings.mass_changes.deleted_days > 0,
        )
        handlers = Handlers(
            catalogue,
            provider,
            search,
            storage,
            cursors=cursors,
            event_uris=EVENT_URIS if settings.master_key else (),
            version=__version__,
            counted=counted,
            group_patch_answer=settings.group_patch_answer,
        )
        feed = FeedHandlers(Feed(storage, catalogue, clock, kept), hooks, waiting, wakes, timer)
        bulk = Bulk(catalogue, handlers, partial(held_values, storage), timer)
        logs = LogHandlers(storage, catalogue, clock)
        return Serving(catalogue, catalogues.hidden(catalogue), handlers, feed, logs, bulk)

    entra = _entra(settings, clock, timer) if settings.has_registry or settings.vendor_identity else None
    tenancy = None
    source = registry or _registry(settings, tracer) if settings.has_registry else None
    if entra and source:
        tenancy = _tenancy(settings, source, entra, clock=clock, timer=timer, vault=vault)
    gate = _gate(settings, tenancy, entra, counted, timer=timer, pause=pause)

    async def holds(tenant_id: str) -> bool:
        found = await tenancy.tenants.tenant(tenant_id) if tenancy else None
        return bool(found and found.hold) or (settings.mass_changes.hold and tenant_id == DEFAULT_TENANT)

    leaving = [item.name for item in catalogues.whole if item.can_be_inactive]
    mass_changes = MassChanges(storage, leaving, settings.mass_changes, holds, clock)
    hooks = Hooks(
        storage,
        partial(_catalogue_of, catalogues, tenancy),
        Senders(HttpSender(to_loopback=settings.hooks_to_loopback), _put_message(settings, clock)),
        settings.master_key,
        clock=clock,
        timer=timer,
        new_id=new_id,
        pause=asyncio.sleep,
        tracer=tracer,
    )
    links = OpenLinks(source, clock, timer) if source else None
    written = written_if_there(storage.attempted, links.is_there) if links else storage.attempted
    attempts = Attempts(written, asyncio.sleep, timer) if relays else None
    setup = SetupEndpoint(
        SetupSessions(source, clock, timer) if source else None,
        SetupProgress(storage, catalogues, clock),
        catalogues,
        clock=clock,
        timer=timer,
        shares=gate.shares,
        counted=counted,
    )
    wakes = Wakes(pause)
    return Endpoint(
        Servings(catalogues, serving),
        gate,
        _kicks(storage.relay, mass_changes, hooks, wakes) if relays else None,
        hooks=hooks,
        attempts=attempts,
        visitors=Visitors(links.tenants, attempts) if links and attempts else None,
        setup=setup,
        mass_changes=mass_changes,
        clock=clock,
        timer=timer,
        new_id=new_id,
        public_base_url=settings.public_base_url,
        tracer=tracer,
    )


def build_or_refuse(
    environment: Mapping[str, str], new_tracer: Callable[[], Tracer] | None = None
) -> "tuple[Settings | None, Endpoint | Console | Unconfigured]":
    """The settings of this environment with their endpoint. If they are unusable: none, and what answers 503 instead.

    Where they say that this app is the console: none, and the console. `new_tracer` is asked for the tracer if the
    settings want spans to be exported. It must not raise.
    The cause also goes to standard error. Before the first call, the host keeps only lines that hold the word `error`.
    """
    try:
        if serves_console(environment):
            from scim_core.console_composition import build_console  # noqa: PLC0415 -- no other app loads the pages

            return None, build_console(environment)
        settings = Settings.from_environment(environment)
        tracer = new_tracer() if settings.exports_spans and new_tracer else NO_TRACER
        return settings, build(settings, relays=True, tracer=tracer)
    except (SettingsError, DefinitionError) as error:
        cause = " ".join(str(error).split())
        sys.stderr.write(f"error: {cause}\n")
        return None, Unconfigured(cause, time.monotonic)


async def _catalogue_of(catalogues: Catalogues, tenancy: Tenancy | None, tenant: str) -> Catalogue:
    """The resource types and extensions of a tenant that sends no request now. Raises StorageBusy."""
    found = await tenancy.tenants.tenant(tenant) if tenancy else None
    return catalogues.of(found.schemas if found else AS_BY_DEFAULT)


def _kicks(relaying: Callable[[str], Awaitable[int]], mass_changes: MassChanges, hooks: Hooks, wakes: Wakes) -> Kicks:
    """Relays after a change, wakes who waits, and then delivers: a receiver that is slow holds up no relay.

    At the same time as the deliveries it looks for a mass change.
    """
    delivering = Kicks(hooks.deliver, asyncio.sleep)

    async def relay(tenant: str) -> None:
        suspected = mass_changes.suspected(tenant)
        if await relaying(tenant):
            wakes.wake(tenant)
        delivering.kick(tenant)
        if suspected:
            await mass_changes.look(tenant)

    return Kicks(relay, asyncio.sleep)


def _entra(settings: Settings, clock: Clock, timer: Timer) -> EntraTokens:
    """Verifies what Entra signs."""
    from scim_core.access.oauth.keys import PublicKeys  # noqa: PLC0415 -- PyJWT is imported only where tokens of Entra are

    return EntraTokens(settings.entra_authority, PublicKeys(fetch_key_set, timer), clock)


def _registry(settings: Settings, tracer: Tracer) -> SetupSource:
    """The registry in the table that the settings name."""
    from scim_core.storage.tables import table_registry  # noqa: PLC0415 -- as above

    return table_registry(settings.storage, tracer)


def _tenancy(
    settings: Settings,
    registry: TenantSource,
    entra: EntraTokens,
    *,
    clock: Clock,
    timer: Timer,
    vault: VaultCall | None,
) -> Tenancy:
    """What is needed to authenticate registered credentials."""
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
        registry,
        TenantCache(registry, timer),
        access_tokens,
        entra,
        clock,
        allows_entra_tokens=settings.allows_entra_tokens,
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
        authenticator=Authenticator(tokens, tenancy, role, watch, holds=settings.mass_changes.hold),
        oauth=OAuthEndpoint(issuing, watch, timer),
        watch=watch,
        requests=requests,
        counted=counted,
        tenants=tenancy.tenants if tenancy else None,
        ending=EndingCredentials(tenancy.source, tenancy.clock, timer) if tenancy else None,
        trusted_proxies=settings.trusted_proxies,
        shares=Shares(timer, pause, rate=UNITS_OF_A_TENANT if tenancy else None),
    )


async def back_up(settings: Settings, clock: Clock = utc_now) -> int:
    """How many tenants were exported to the container of the settings. Raises StorageError if an export fails."""
    from scim_core.storage.maintenance import backup, signing  # noqa: PLC0415 -- no request needs it

    key = signing.BackupKey(settings.backup_key) if settings.backup_key else None
    return await backup.back_up(settings.storage, settings.backup_container_url or "", key, clock)
