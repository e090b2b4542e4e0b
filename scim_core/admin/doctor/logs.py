"""What the deployment's logs say: of the timers, of settings that the app refuses, of ids that are gone."""

from datetime import UTC, datetime, timedelta

from scim_core.admin.doctor.deployment import Deployment
from scim_core.admin.doctor.findings import Examined, Trouble
from scim_core.clock import Clock
from scim_core.model import Json

WHY_NOT_SERVING = 'AppTraces | where Message startswith "the app does not serve: "'
"""The query that shows why the app answers 503 to everything."""

APP = "{app}"
"""What stands in a query for the name of the function app: another app may write to the same workspace."""

TIMERS = (
    'AppRequests | where AppRoleName =~ "{app}" and TimeGenerated > ago(2d) and Name in ("sweep", "backup") '
    "| summarize earliest = min(TimeGenerated), succeeded = maxif(TimeGenerated, Success == true), "
    "failed = countif(Success == false) by Name"
)
"""The runs of the timers within two days."""

NOT_SERVING = (
    'AppTraces | where AppRoleName =~ "{app}" and TimeGenerated > ago(15m) '
    '| where Message startswith "the app does not serve: " | top 1 by TimeGenerated desc | project Message'
)
"""The latest sentence by which the app says that it refuses its settings. It says so once a minute, within a call."""

GONE = (
    'AppTraces | where AppRoleName =~ "{app}" and TimeGenerated > ago(1d) and Message matches regex @"-> 404 \\{" '
    '| extend fields = parse_json(extract(@"(\\{.*\\})$", 1, Message)) '
    '| where tostring(fields.operation) in ("patch", "replace") '
    "| summarize gone = dcount(tostring(fields.resource)) by tenant = tostring(fields.tenant)"
)
"""How many resources each tenant's client wanted to change within a day that do not exist."""

HOOKS = (
    'AppTraces | where AppRoleName =~ "{app}" and TimeGenerated > ago(10m) and Message startswith "hooks: " '
    '| top 1 by TimeGenerated desc | extend blocked = tolong(extract("([0-9]+) blocked", 1, Message)), '
    'dead = tolong(extract("([0-9]+) dead", 1, Message)) | where blocked + dead > 0 | project Message'
)
"""The latest word of the timer about hooks, if something is wrong with one. It says so each minute while it is."""

QUERIES = (TIMERS, NOT_SERVING, GONE, HOOKS)

SWEEP_HOURS = 1
"""Without a run for so long something is wrong: the sweep runs every five minutes. The alert waits as long."""

BACKUP_HOURS = 48
"""Without a backup for so long something is wrong. The alert waits as long."""

FIRST_BACKUP_HOURS = 25
"""A deployment is so old before its first backup is due: the backup runs once a day."""

MOST_GONE = 10
"""So many resources may be gone in a day without a word: a client can be late with a few."""


async def timers(deployment: Deployment, clock: Clock) -> Examined:
    """Whether the sweep, and the backup if there is one, have succeeded lately."""
    runs = {str(row["Name"]): row for row in await _rows(deployment, TIMERS)}
    now, sweep = clock(), runs.get("sweep")
    if sweep is None:
        return [
            Trouble(
                "The logs have no run of the sweep within two days.",
                "If the functions are there, no telemetry arrives: look at the role Monitoring Metrics Publisher, and "
                'at the daily cap (_LogOperation | where Detail has "OverQuota").',
            )
        ]
    troubles = []
    if _before(sweep, now, SWEEP_HOURS):
        said = f"The sweep has not succeeded for {SWEEP_HOURS} hour; it failed {sweep['failed']} times in two days."
        troubles.append(Trouble(said, 'AppTraces | where Message startswith "sweep" says why.'))
    if not (await deployment.settings()).get("SCIM_BACKUP_CONTAINER_URL"):
        return troubles or "the sweep ran; there is no backup"
    is_due = _instant(sweep["earliest"]) < now - timedelta(hours=FIRST_BACKUP_HOURS)
    if is_due and _before(runs.get("backup", {}), now, BACKUP_HOURS):
        said = "No backup has succeeded within two days."
        troubles.append(Trouble(said, 'AppTraces | where Message startswith "backup" names tenant and reason.'))
    return troubles or ("the sweep and the backup ran" if is_due else "the sweep ran; the first backup is not due yet")


async def serves(deployment: Deployment) -> Examined:
    """Whether the app has said lately that it does not serve."""
    said = await _rows(deployment, NOT_SERVING)
    if said:
        return [Trouble(str(said[0]["Message"]), "Correct the setting that it names, and restart the app.")]
    return "the app has refused no settings within 15 minutes"


async def hooks(deployment: Deployment) -> Examined:
    """Whether the timer has said lately that a hook is blocked, or that entries are dead."""
    said = await _rows(deployment, HOOKS)
    if said:
        word = str(said[0]["Message"]).partition(" {")[0]
        do = "`python -m scim_core.admin hooks list` names the hook, and what its receiver answered."
        return [Trouble(f"The timer says of hooks: {word.removeprefix('hooks: ')}.", do)]
    return "no hook was blocked within 10 minutes, if there are hooks"


async def links(deployment: Deployment) -> Examined:
    """Whether clients go on to change resources that do not exist: Entra keeps our id for ever."""
    found = [row for row in await _rows(deployment, GONE) if int(row["gone"]) > MOST_GONE]
    return [
        Trouble(
            f"The client of the tenant {row['tenant']} wanted to change {row['gone']} resources that do not exist.",
            "It holds ids of a directory that was emptied or restored in another state. Restore the newest backup. If "
            "the ids are lost, delete Entra's links to them with Graph's objectConnections: docs/operate.md, Entra "
            "holds ids that are gone.",
        )
        for row in found
    ] or "no client changes resources that are gone"


async def _rows(deployment: Deployment, query: str) -> list[Json]:
    name = str((await deployment.site())["name"])
    return await deployment.management.rows(await deployment.workspace(), query.replace(APP, name))


def _before(row: Json, now: datetime, hours: int) -> bool:
    """Whether the last success was longer ago, or there was none."""
    succeeded = row.get("succeeded")
    return not succeeded or _instant(succeeded) < now - timedelta(hours=hours)


def _instant(text: str) -> datetime:
    """An instant as Log Analytics writes it: UTC, with up to seven digits of a second."""
    return datetime.fromisoformat(text).astimezone(UTC)
