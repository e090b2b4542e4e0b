"""`az` and `azd` for tests of the hooks: they do to a file what the real ones do to Azure.

    python azd_stand_in.py az|azd <arguments>

STAND_IN names the file. It holds azd's environment, what is in Azure, and all calls.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SECRETS = {
    "SCIM_TOKEN_SHA256": "scim-token-sha256",
    "SCIM_SIGNING_KEY": "scim-signing-key",
}
VAULT = "/subscriptions/sub/resourceGroups/rg-{name}/providers/Microsoft.KeyVault/vaults/kv-scim-x"


class State:
    """The file. Each change is written at once, since the hooks call these tools, too."""

    def __init__(self) -> None:
        self.path = Path(os.environ["STAND_IN"])
        self.content: dict[str, Any] = json.loads(self.path.read_text())

    def write(self) -> None:
        self.path.write_text(json.dumps(self.content, indent=2))


def main(tool: str, arguments: list[str]) -> int:
    state = State()
    state.content["calls"].append([tool, *arguments])
    state.write()
    return az(state, arguments) if tool == "az" else azd(state, arguments)


def az(state: State, arguments: list[str]) -> int:
    """As much of the Azure CLI as the hooks call."""
    if state.content["az_says"]:
        print("WARNING: something else", file=sys.stderr)
        print(f"ERROR: {state.content['az_says']}", file=sys.stderr)
        return 1
    azure, name = state.content["azure"], state.content["env"]["AZURE_ENV_NAME"]
    vault = VAULT.format(name=name)
    if arguments[:2] == ["group", "exists"]:
        assert arguments[2:] == ["--name", f"rg-{name}", "--subscription", "sub"]
        print("true" if azure["group"] else "false")
    elif arguments[:2] == ["keyvault", "list"]:
        print(json.dumps([{"id": vault}] if azure["vault"] else []))
    else:
        assert arguments == ["rest", "--method", "get", "--url", f"{vault}/secrets?api-version=2025-05-01"]
        print(json.dumps({"value": [{"name": secret} for secret in azure["secrets"]]}))
    return 0


def azd(state: State, arguments: list[str]) -> int:
    """As much of azd as the hooks call and the tests do. A failing hook ends it."""
    match [item for item in arguments if item != "--no-prompt"]:
        case ["env", "set", "--file", name]:
            state.content["env"] |= dict(line.split("=", 1) for line in Path(name).read_text().splitlines())
        case ["env", "set", setting, value]:
            state.content["env"][setting] = value
        case ["provision"]:
            return hook("preprovision") or provisioned()
        case ["deploy", "api", "--from-package", _]:
            return hook("predeploy") or hook("postdeploy")
        case ["package"]:
            return hook("prepackage")
        case _:
            raise AssertionError(arguments)
    state.write()
    return 0


def provisioned() -> int:
    """What infra/main.bicep does with the secrets: an empty one leaves that of the vault as it is."""
    state = State()
    azure, env = state.content["azure"], state.content["env"]
    azure |= {"group": True, "vault": True}
    azure["secrets"] |= {secret: env[setting] for setting, secret in SECRETS.items() if env.get(setting)}
    env |= {"AZURE_KEY_VAULT_NAME": "kv-scim-x", **state.content["outputs"]}
    state.write()
    return 0


def hook(name: str) -> int:
    """Runs the hook of azure.yaml as azd does: a script in a file of its own, with azd's environment."""
    [(script, interactive)] = re.findall(
        rf"^ +{name}:\n +posix: \{{ shell: sh, run: ([^,}}]+?)(, interactive: true)? \}}$",
        Path("azure.yaml").read_text(),
        re.MULTILINE,
    )
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(f"#!/bin/sh\n\n# Auto generated file from Azure Developer CLI\n{script}")
        file.flush()
        environment = os.environ | State().content["env"]
        options: dict[str, Any] = {} if interactive else {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        done = subprocess.run(["sh", file.name], env=environment, check=False, **options)
        print((done.stdout or b"").decode(), end="", flush=True)
        return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
