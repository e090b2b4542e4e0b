"""`admin doctor`: the checks in their order, what they found, and the exit code."""

import json
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from functools import partial

from scim_core.admin.doctor import app, logs, resources, roles
from scim_core.admin.doctor.deployment import Deployment, chosen_subscription
from scim_core.admin.doctor.findings import CannotTell, Check, Judgement, Observation, made
from scim_core.admin.doctor.management import CLOUDS, Management
from scim_core.admin.doctor.outside import Outside
from scim_core.admin.probe import Probe
from scim_core.admin.smoke_test import GivenCredential
from scim_core.clock import utc_now
from scim_core.settings import SettingsError, base_url
from scim_core.storage.tables.identity import Tokens

HEALTHY, WRONG, UNKNOWN = 0, 1, 2
"""Exit codes: all is well; something is wrong; nothing is known to be wrong, but something could not be looked at."""

_MARKS = {
    Judgement.GOOD: "ok     ",
    Judgement.WRONG: "WRONG  ",
    Judgement.UNKNOWN: "?      ",
    Judgement.LEFT_OUT: "-      ",
}
_INDENT = " " * 7


async def run(given: Namespace, environment: Mapping[str, str]) -> int:
    """The exit code. Each finding is printed when it is there. Raises SettingsError."""
    credential, tokens = _credential(given, environment), Tokens(None)
    url = base_url(given.url or "", required=False) or ""
    subscription = given.subscription or environment.get("AZURE_SUBSCRIPTION_ID", "")
    found: list[Observation] = []
    async with aclosing(tokens), Management(CLOUDS[given.cloud], tokens.token) as management, Probe() as probe:
        deployment, reached = await _reached(management, subscription, given.deployment)
        _tell(given, found, [reached])
        checks = list(_azures(deployment)) if deployment else []
        url = url or (await _address(deployment) if deployment else "")
        if url:
            checks += _outsiders(Outside(url, probe, utc_now), credential)
        for name, check in checks:
            _tell(given, found, await made(name, check))
    code = _code(found)
    if given.json:
        print(json.dumps({"healthy": code == HEALTHY, "findings": list(map(_as_json, found))}, indent=2))
    return code


async def _reached(management: Management, subscription: str, group: str) -> tuple[Deployment | None, Observation]:
    """The deployment, if Azure shows it."""
    try:
        deployment = Deployment(management, await chosen_subscription(management, subscription), group)
        site = await deployment.site()
    except CannotTell as reason:
        return None, Observation("deployment", Judgement.UNKNOWN, reason.said, reason.do)
    return deployment, Observation("deployment", Judgement.GOOD, f"the function app {site['name']}")


async def _address(deployment: Deployment) -> str:
    """The address that clients use: that of the settings, or the app's own where you may not list the settings."""
    try:
        given = (await deployment.settings()).get("SCIM_PUBLIC_BASE_URL", "")
    except CannotTell:
        given = ""
    return given.rstrip("/") or f"https://{(await deployment.site())['properties']['defaultHostName']}"


def _azures(deployment: Deployment) -> Iterator[tuple[str, Check]]:
    """The checks from Azure's side."""
    yield "app", partial(app.runs, deployment)
    yield "settings", partial(app.settings, deployment)
    yield "functions", partial(app.functions, deployment)
    yield "roles", partial(roles.roles, deployment)
    yield "table", partial(resources.tables, deployment)
    yield "refusals", partial(logs.serves, deployment)
    yield "timers", partial(logs.timers, deployment, utc_now)
    yield "hooks", partial(logs.hooks, deployment)
    yield "alerts", partial(resources.alerts, deployment)
    yield "links of Entra", partial(logs.links, deployment)


def _outsiders(outside: Outside, credential: GivenCredential | None) -> Iterator[tuple[str, Check]]:
    """The checks from outside. Health is the first: if nothing answers, the others do not ask."""
    yield "health", outside.health
    yield "TLS", outside.tls
    yield "without a credential", outside.without_credential
    yield "with a made-up token", outside.with_made_up_token
    yield "clock", outside.clocks
    yield "ServiceProviderConfig", outside.configuration
    yield "searches", partial(outside.searches, credential)


def _credential(given: Namespace, environment: Mapping[str, str]) -> GivenCredential | None:
    """The credential for the searches, from the variable that the operator names."""
    if not given.credential_from:
        return None
    secret = environment.get(given.credential_from, "").strip()
    if not secret:
        raise SettingsError(f"There is no credential in {given.credential_from}.")
    return GivenCredential(secret, given.client_id)


def _tell(given: Namespace, found: list[Observation], findings: list[Observation]) -> None:
    found += findings
    for item in findings if not given.json else ():
        print(f"{_MARKS[item.verdict]}{item.check}: {item.said}")
        if item.do:
            print(f"{_INDENT}{item.do}")


def _as_json(finding: Observation) -> dict[str, str | None]:
    return {"check": finding.check, "verdict": finding.verdict, "said": finding.said, "do": finding.do or None}


def _code(found: list[Observation]) -> int:
    verdicts = {item.verdict for item in found}
    return WRONG if Judgement.WRONG in verdicts else UNKNOWN if Judgement.UNKNOWN in verdicts else HEALTHY
