"""Before azd provisions: the first secret of a deployment is minted, where the vault has none."""

import json
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.azd.kept import Minted, digest, forget
from infra.tools import ToolError, run

TOKEN_BYTES = 32
"""256 random bits: nobody finds a token by guessing, so its plain SHA-256 may be stored."""

VAULTS_API = "2025-05-01"


class MintingError(Exception):
    """It is not known whether there is a secret, so none may be made. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The setting of azd by which a secret comes into the vault, and the secret's name there."""

    setting: str
    secret: str


TOKEN = Wanted("SCIM_TOKEN_SHA256", "scim-token-sha256")
SIGNING_KEY = Wanted("SCIM_SIGNING_KEY", "scim-signing-key")


def mint(environment: Mapping[str, str], folder: Path) -> str:
    """What to tell the person, if anything. `environment` is azd's; what was minted is kept in `folder`.

    Nothing is minted if a value is given, or if the vault has one or may have one. Raises MintingError, ToolError.
    """
    wanted = _wanted(environment)
    if wanted is None:
        return ""
    if value := environment.get(wanted.setting):
        _keep_only(wanted, value, folder)
        return ""
    if reason := _unneeded(environment, wanted):
        return reason
    _pass_on(wanted, folder)
    if wanted is TOKEN:
        return "A Secret Token is made. You see it once, when the app is deployed."
    return "A key that signs access tokens is made. It goes into the vault."


def _wanted(environment: Mapping[str, str]) -> Wanted | None:
    """None if a deployment like this needs no secret: its signing key is made in the vault and stays there."""
    if environment.get("SCIM_TENANTS", "one") != "registry":
        return TOKEN
    return None if environment.get("SCIM_SIGNING_KEY_IN_VAULT") == "sign" else SIGNING_KEY


def _keep_only(wanted: Wanted, value: str, folder: Path) -> None:
    """What an earlier run has kept is still there only if the value that is given now came from it."""
    kept = Minted.read(folder)
    if kept and not (kept.setting == wanted.setting and kept.fills(value)):
        forget(folder)


def _unneeded(environment: Mapping[str, str], wanted: Wanted) -> str:
    """Why none is made. Empty if one is needed. Raises MintingError."""
    if environment.get("SCIM_RECOVER_VAULT") == "true":
        return "The vault that is recovered brings its secrets, so none is made."
    try:
        return f"The vault has {wanted.secret}, so none is made." if _has_secret(environment, wanted) else ""
    except ToolError as error:
        if environment.get("AZURE_KEY_VAULT_NAME"):  # it was provisioned from here before
            return f"It could not be found out whether the vault has {wanted.secret}, so none is made. {error}"
        raise MintingError(
            f"{error} It has to be known whether this deployment has a vault already: a second token would lock out "
            f"those who have the first one. Mend that, or set {wanted.setting} yourself (docs/deploy.md)."
        ) from None


def _has_secret(environment: Mapping[str, str], wanted: Wanted) -> bool:
    """Whether a vault of the deployment has the secret. It asks Azure's management side, which shows names only.

    So it needs no role on the vault, and works while the vault is closed to the Internet. Raises ToolError.
    """
    subscription = environment.get("AZURE_SUBSCRIPTION_ID", "")
    if not subscription:
        raise ToolError("No subscription is chosen: run `azd up`, which asks, or `azd env set AZURE_SUBSCRIPTION_ID`.")
    group = ("rg-" + environment["AZURE_ENV_NAME"], "--subscription", subscription)
    if run("az", "group", "exists", "--name", *group).strip() != "true":
        return False
    vaults = json.loads(run("az", "keyvault", "list", "--resource-group", *group, "--output", "json"))
    for vault in vaults:
        url = f"{vault['id']}/secrets?api-version={VAULTS_API}"
        answer = json.loads(run("az", "rest", "--method", "get", "--url", url))
        if wanted.secret in [secret["name"] for secret in answer["value"]]:
            return True
    return False


def _pass_on(wanted: Wanted, folder: Path) -> None:
    token = secrets.token_urlsafe(TOKEN_BYTES) if wanted is TOKEN else ""
    value = digest(token) if token else _new_signing_key()
    Minted(wanted.setting, digest(value), token).keep(folder)
    try:
        _set(wanted.setting, value)
    except ToolError:
        forget(folder)
        raise


def _new_signing_key() -> str:
    # Whoever deploys for one tenant does not wait a second until the whole service is imported, for nothing.
    from scim_core.access.oauth.local_key import new_signing_key  # noqa: PLC0415

    return new_signing_key()


def _set(setting: str, value: str) -> None:
    """The environment of azd has the value. It goes by a file: other users of the machine can see arguments."""
    with tempfile.TemporaryDirectory() as place:  # its mode is 0700
        file = Path(place, "values")
        file.write_text(f"{setting}={value}\n")
        run("azd", "env", "set", "--file", str(file))
