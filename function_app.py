"""The function app: passes HTTP requests to scim_core and its answers back. Timers call the sweep, the relay of the
feeds, and the backup.

Only this module knows Azure Functions.
"""

import atexit
import gc
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

# What is imported and built stays, so looking for garbage in it again and again is in vain: a twentieth of the start.
gc.disable()

import azure.functions as func

from scim_core import Endpoint, ScimRequest, ScimResponse, Settings, back_up, build_or_refuse
from scim_core.log_fields import FieldsInText
from scim_core.protocol.limits import MAX_GROUP_BODY_BYTES
from scim_core.traces import Tracer
from scim_core.work import SWITCH_SECONDS

# The host tries routes in the order of the functions' names. So the name of a literal route must sort before the name
# of a route with a parameter that also fits. Telemetry shows these names. scim_core decides by path and method itself.
ROUTES = {
    "bulk": "scim/v2/Bulk",
    "feed_changes": "feed/v1/changes",
    "feed_keys": "feed/v1/jwks",
    "feed_snapshot": "feed/v1/snapshot",
    "feed_tenants": "feed/v1/tenants",
    "groups": "scim/v2/Groups",
    "groups_search": "scim/v2/Groups/.search",
    "groups_with_id": "scim/v2/Groups/{id}",
    "health": "health",
    "log_entries": "log/v1/entries",
    "log_people": "log/v1/people",
    "log_refusals": "log/v1/refusals",
    "log_timeline": "log/v1/timeline",
    "log_why": "log/v1/why",
    "me": "scim/v2/Me",
    "oauth_authorization_server": ".well-known/oauth-authorization-server",
    "oauth_protected_resource": ".well-known/oauth-protected-resource",
    "oauth_protected_resource_scim": ".well-known/oauth-protected-resource/scim/v2",
    "oauth_token": "oauth2/token",
    "resource_types": "scim/v2/ResourceTypes",
    "resource_types_with_id": "scim/v2/ResourceTypes/{id}",
    "schemas": "scim/v2/Schemas",
    "schemas_with_id": "scim/v2/Schemas/{id}",
    "search": "scim/v2/.search",
    "service_provider_config": "scim/v2/ServiceProviderConfig",
    "setup": "setup",
    "setup_below": "setup/{*path}",
    "users": "scim/v2/Users",
    "users_search": "scim/v2/Users/.search",
    "users_with_id": "scim/v2/Users/{id}",
    "zz_fallback": "{*path}",  # unknown paths, and resource types that a deployment adds
}
FALLBACK = "zz_fallback"
FEEDS_SCHEDULE = "0 * * * * *"  # each minute: changes that a process left behind wait no longer
MEDIA_TYPE = "application/scim+json"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

# The host passes on only the text of a record, so the text must contain the fields, such as the tenant.
logging.setLogRecordFactory(FieldsInText)
# Azure's SDK logs every URL that it calls, and these URLs hold user names. The worker logs two records for each call,
# which host.json drops: not sending them to the host gives 1.4 to 1.5 times as many requests a second.
for noisy in ("azure.core.pipeline.policies.http_logging_policy", "azure.functions", "proxy_worker"):
    logging.getLogger(noisy).setLevel(logging.WARNING)

sys.setswitchinterval(SWITCH_SECONDS)


def new_tracer() -> Tracer:
    """Records spans for Application Insights. Nothing of OpenTelemetry is imported unless a setting asks for it."""
    import telemetry  # noqa: PLC0415 -- see above

    return telemetry.azure_monitor(os.environ)


# Without usable settings there is no route but the fallback, and it answers 503: a missing setting opens nothing. An
# exception here would end the host, again and again, without a word in the log. An app that is the console (SCIM_APP)
# has the fallback alone, too: it never answers SCIM, and no other app ever answers the console.
settings, endpoint = build_or_refuse(os.environ, new_tracer)
# What is there by now stays until the end. Without it a full collection of garbage has a third of its work, and all
# requests wait for that. At the end of the process connections are collected while their modules are still there.
gc.freeze()
gc.enable()
atexit.register(gc.unfreeze)
# scim_core checks the bearer token. A function key would be a second credential, and Entra cannot send one.
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


async def handled(method: str, url: str, headers: Mapping[str, str], body: bytes) -> ScimResponse:
    """The answer of scim_core. Path and query come from the URL, because the host drops empty query values."""
    scheme, _, rest = url.partition("://")
    authority, _, target = rest.partition("/")
    path, _, query = target.partition("?")
    request = ScimRequest(
        method=method,
        path=unquote(f"/{path}"),
        query=query,
        headers=headers,
        body=body,
        base_url=f"{scheme}://{authority}",
    )
    return await endpoint.handle(request)


def through_messages() -> Callable[..., Any]:
    """A function that gets its request in a message of the host."""

    async def answer(req: func.HttpRequest) -> func.HttpResponse:
        response = await handled(req.method, req.url, dict(req.headers), req.get_body())
        return func.HttpResponse(
            response.body, status_code=response.status, headers=response.headers, mimetype=MEDIA_TYPE
        )

    return answer


def through_proxy() -> Callable[..., Any]:
    """A function that gets its request from the host's HTTP proxy: also a body in chunks."""
    from aiohttp import web  # noqa: PLC0415

    import http_proxy  # noqa: PLC0415 -- once it is imported, the worker takes every request in this way

    async def answer(req: http_proxy.Request) -> web.Response:
        body = await req.read(MAX_GROUP_BODY_BYTES)
        response = await handled(req.method, req.url, req.headers, body)
        headers = {"Content-Type": MEDIA_TYPE, **response.headers}
        return web.Response(body=response.body, status=response.status, headers=headers)

    return answer


answer = through_proxy() if settings and settings.through_proxy else through_messages()
for name, route in ROUTES.items() if settings else [(FALLBACK, ROUTES[FALLBACK])]:
    app.function_name(name)(app.route(route, methods=METHODS)(answer))


def add_timers(settings: Settings, endpoint: Endpoint) -> None:
    """The sweep, the feeds, and the backup if these settings have a container for it."""

    @app.function_name("sweep")
    @app.timer_trigger(arg_name="timer", schedule=settings.sweep_schedule)
    async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 -- the worker passes it by its name
        """Large changes that a process left unfinished are finished."""
        await endpoint.sweep()

    @app.function_name("feeds")
    @app.timer_trigger(arg_name="timer", schedule=FEEDS_SCHEDULE)
    async def feeds(timer: func.TimerRequest) -> None:  # noqa: ARG001 -- the worker passes it by its name
        """Changes that no process has relayed get into the feed, and what is too old is deleted."""
        await endpoint.tend_feeds()

    if settings.backup_container_url:

        @app.function_name("backup")
        @app.timer_trigger(arg_name="timer", schedule=settings.backup_schedule)
        async def backup(timer: func.TimerRequest) -> None:  # noqa: ARG001 -- the worker passes it by its name
            """Every tenant's directory is exported to immutable blobs."""
            await back_up(settings)


if settings and isinstance(endpoint, Endpoint):
    add_timers(settings, endpoint)
