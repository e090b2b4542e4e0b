"""The hooks of azure.yaml, run by a stand-in for azd at a terminal, as a person would see them."""

import hashlib
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devhost.azurite import Azurite
from scim_core.access.oauth.local_key import LocalKey
from tests.running import ROOT, clean_environment, running_endpoint

STAND_IN = Path(__file__).with_name("azd_stand_in.py")
PROVISION = ("provision",)
DEPLOY = ("deploy", "api", "--from-package", "dist/scim.zip")
UNATTENDED = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "AZD_NON_INTERACTIVE")


@dataclass(frozen=True)
class Done:
    code: int
    said: str


@dataclass(frozen=True)
class Project:
    """A clone, with azd's environment `demo`. Its Python tells what it was asked to run, and installs nothing."""

    folder: Path
    environment: dict[str, str]

    @property
    def state(self) -> dict[str, Any]:
        """What the stand-ins know: `env`, `azure`, `outputs`, `calls`, `az_says`."""
        loaded: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return loaded

    def change(self, **changes: Any) -> None:
        changed = self.state
        for name, value in changes.items():
            changed[name] = changed[name] | value if isinstance(value, dict) else value
        (self.folder / "state.json").write_text(json.dumps(changed))

    @property
    def secrets(self) -> dict[str, str]:
        """What is in the vault."""
        found: dict[str, str] = self.state["azure"]["secrets"]
        return found

    @property
    def kept(self) -> Path:
        return self.folder / ".azure" / "demo" / "first-hour.json"

    @property
    def ran(self) -> list[str]:
        """What the project's Python was asked to run."""
        log = self.folder / "ran.log"
        return log.read_text().splitlines() if log.exists() else []

    def at_terminal(self, *arguments: str, **environment: str) -> Done:
        """`azd <arguments>` with a terminal. `said` is all that the person sees."""
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            ["azd", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        said = b"".join(_until_the_end(controller)).decode().replace("\r\n", "\n")
        os.close(controller)
        return Done(process.wait(), said)

    def without_terminal(self, *arguments: str) -> Done:
        done = subprocess.run(
            ["azd", *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        return Done(done.returncode, done.stdout + done.stderr)


def _until_the_end(controller: int) -> Iterator[bytes]:
    while True:
        try:
            part = os.read(controller, 10_000)
        except OSError:  # how Linux tells that the other side is closed
            return
        if not part:
            return
        yield part


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name in ("azure.yaml", "infra", "devhost", "scim_core", "requirements.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    for place in ("bin", ".venv/bin", ".azure/demo"):
        (tmp_path / place).mkdir(parents=True)
    python, log = shlex.quote(sys.executable), shlex.quote(str(tmp_path / "ran.log"))
    for tool in ("az", "azd"):
        _executable(tmp_path / "bin" / tool, f'exec {python} {shlex.quote(str(STAND_IN))} {tool} "$@"')
    _executable(
        tmp_path / ".venv" / "bin" / "python",
        f'case "$1" in -m) echo "$2 $3" >>{log} ;; esac',
        'case "$2" in pip | infra.package) exit 0 ;; esac',
        f'exec {python} "$@"',
    )
    env = {"AZURE_ENV_NAME": "demo", "AZURE_SUBSCRIPTION_ID": "sub", "AZURE_LOCATION": "westeurope"}
    azure = {"group": False, "vault": False, "secrets": {}}
    outputs = {"TENANT_URL": "https://scim.invalid/scim/v2"}
    state = {"env": env, "azure": azure, "outputs": outputs, "calls": [], "az_says": ""}
    (tmp_path / "state.json").write_text(json.dumps(state))
    environment = {name: value for name, value in clean_environment().items() if name not in UNATTENDED}
    path = f"{tmp_path / 'bin'}:{environment['PATH']}"
    return Project(tmp_path, environment | {"PATH": path, "STAND_IN": str(tmp_path / "state.json")})


def _executable(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def token_in(said: str) -> str:
    [token] = re.findall(r"Secret Token +(\S+)\n", said)
    return str(token)


def answering(project: Project, base_url: str) -> None:
    """From now on, the deployment's address is that of a real endpoint."""
    project.change(env={"TENANT_URL": base_url}, outputs={"TENANT_URL": base_url})


def test_from_a_fresh_clone_to_a_tenant_url_and_a_token_that_work(project: Project, azurite: Azurite) -> None:
    provisioned = project.at_terminal(*PROVISION)
    assert provisioned.code == 0, provisioned.said
    assert "A Secret Token is made" in provisioned.said
    assert project.kept.stat().st_mode & 0o777 == 0o600
    assert project.kept.parent.stat().st_mode & 0o777 == 0o700
    token = json.loads(project.kept.read_text())["token"]
    assert project.secrets == {"scim-token-sha256": digest(token)}

    with running_endpoint(azurite, SCIM_TOKEN_SHA256=project.secrets["scim-token-sha256"]) as endpoint:
        answering(project, endpoint.base_url)
        deployed = project.at_terminal(*DEPLOY)

    assert deployed.code == 0, deployed.said
    assert f"  Tenant URL    {endpoint.base_url}\n" in deployed.said
    assert deployed.said.count(token) == 1
    assert token_in(deployed.said) == token
    assert "ok     Test Connection" in deployed.said
    assert "The smoke test went well" in deployed.said
    assert not project.kept.exists()
    # The token was on the terminal, and nowhere else.
    assert token not in provisioned.said
    assert token not in json.dumps(project.state)
    assert token not in "".join(path.read_text() for path in project.folder.rglob("*") if path.is_file())


def test_a_second_deployment_mints_nothing_and_tells_nothing(project: Project) -> None:
    project.change(env={"SCIM_RESTRICT_TO_ENTRA": "true"})  # so that nothing has to answer
    project.at_terminal(*PROVISION)
    project.at_terminal(*DEPLOY)
    before = project.secrets
    assert project.state["env"]["SCIM_TOKEN_SHA256"] == ""

    again = project.at_terminal(*PROVISION)
    deployed = project.at_terminal(*DEPLOY)

    assert (again.code, deployed.code) == (0, 0)
    assert "The vault has scim-token-sha256, so none is made." in again.said
    assert "Secret Token" not in deployed.said
    assert project.secrets == before
    assert not project.kept.exists()


def test_a_rotation_in_the_vault_is_not_undone_by_the_next_deployment(project: Project) -> None:
    project.change(env={"SCIM_RESTRICT_TO_ENTRA": "true"})
    project.at_terminal(*PROVISION)
    project.at_terminal(*DEPLOY)
    project.change(azure={"secrets": {"scim-token-sha256": digest("rotated")}})

    project.at_terminal(*PROVISION)

    assert project.secrets == {"scim-token-sha256": digest("rotated")}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ((*PROVISION, "--no-prompt"), {}),
        ((*PROVISION, "--no-prompt"), {"COLUMNS": "40"}),
        (PROVISION, {"CI": "true"}),
        (PROVISION, {"GITHUB_ACTIONS": "true"}),
        (PROVISION, {"TF_BUILD": "True"}),
        (PROVISION, {"AZD_NON_INTERACTIVE": "true"}),
    ],
)
def test_a_pipeline_mints_nothing_and_runs_no_code_of_packages(
    project: Project, arguments: tuple[str, ...], environment: Mapping[str, str]
) -> None:
    done = project.at_terminal(*arguments, **environment)

    assert done.code == 0, done.said
    assert "Nobody is at a terminal" in done.said
    assert project.secrets == {}
    assert project.ran == []
    assert not project.kept.exists()


def test_without_a_terminal_nothing_is_minted(project: Project) -> None:
    done = project.without_terminal(*PROVISION)

    assert done.code == 0
    assert project.secrets == {}
    assert project.ran == []


def test_without_a_terminal_the_token_stays_in_its_file(project: Project) -> None:
    project.at_terminal(*PROVISION)
    token = json.loads(project.kept.read_text())["token"]

    for done in (project.without_terminal(*DEPLOY), project.at_terminal(*DEPLOY, "--no-prompt")):
        assert done.code == 0
        assert "azd hooks run postdeploy" in done.said
        assert token not in done.said
    assert json.loads(project.kept.read_text())["token"] == token


def test_with_a_registry_the_signing_key_is_minted_instead(project: Project) -> None:
    project.change(env={"SCIM_TENANTS": "registry", "SCIM_RESTRICT_TO_ENTRA": "true"})
    project.change(outputs={"SCIM_STORAGE_ACCOUNT_URL": "https://stscimx.table.core.windows.net/"})

    project.at_terminal(*PROVISION)
    key = project.secrets["scim-signing-key"]
    deployed = project.at_terminal(*DEPLOY)

    LocalKey(key)  # raises if it is none
    assert list(project.secrets) == ["scim-signing-key"]
    assert "--storage-account stscimx --url https://scim.invalid tenants create" in deployed.said
    assert "Secret Token" not in deployed.said
    assert project.state["env"]["SCIM_SIGNING_KEY"] == ""
    # Other users of the machine can see arguments.
    assert key not in json.dumps(project.state["calls"])
    assert key not in deployed.said
    assert not project.kept.exists()


@pytest.mark.parametrize(
    "env",
    [
        {"SCIM_TENANTS": "registry", "SCIM_SIGNING_KEY_IN_VAULT": "sign"},
        {"SCIM_TOKEN_SHA256": digest("mine")},
        {"SCIM_RECOVER_VAULT": "true"},
    ],
    ids=["the vault signs", "a hash is given", "a vault is recovered"],
)
def test_nothing_is_minted_where_nothing_is_missing(project: Project, env: dict[str, str]) -> None:
    project.change(env=env)

    done = project.at_terminal(*PROVISION)

    assert done.code == 0, done.said
    assert set(project.secrets.values()) == set(env.values()) & {digest("mine")}
    assert not project.kept.exists()


def test_a_deployment_made_from_another_clone_keeps_its_token(project: Project) -> None:
    project.change(azure={"group": True, "vault": True, "secrets": {"scim-token-sha256": digest("theirs")}})

    project.at_terminal(*PROVISION)

    assert project.secrets == {"scim-token-sha256": digest("theirs")}
    assert not project.kept.exists()


def test_a_vault_without_the_secret_gets_one(project: Project) -> None:
    project.change(azure={"group": True, "vault": True, "secrets": {"scim-backup-key": "..."}})

    project.at_terminal(*PROVISION)

    assert list(project.secrets) == ["scim-backup-key", "scim-token-sha256"]


def test_whoever_cannot_be_asked_stops_the_first_deployment(project: Project) -> None:
    project.change(az_says="Please run 'az login' to setup account.")

    done = project.at_terminal(*PROVISION)

    assert done.code == 1
    assert "Please run 'az login'" in done.said
    assert "SCIM_TOKEN_SHA256" in done.said
    assert project.state["azure"]["group"] is False
    assert not project.kept.exists()


def test_it_does_not_stop_a_later_deployment(project: Project) -> None:
    project.change(az_says="Please run 'az login' to setup account.", env={"AZURE_KEY_VAULT_NAME": "kv-scim-x"})

    done = project.at_terminal(*PROVISION)

    assert done.code == 0, done.said
    assert "so none is made" in done.said
    assert project.secrets == {}


def test_without_a_subscription_it_says_how_to_choose_one(project: Project) -> None:
    project.change(env={"AZURE_SUBSCRIPTION_ID": ""})

    done = project.at_terminal(*PROVISION)

    assert done.code == 1
    assert "run `azd up`, which asks" in done.said


def test_a_deployment_that_was_broken_off_tells_the_same_token_later(project: Project) -> None:
    project.change(env={"SCIM_RESTRICT_TO_ENTRA": "true"})
    project.at_terminal(*PROVISION)
    token = json.loads(project.kept.read_text())["token"]

    project.at_terminal(*PROVISION)  # the deployment after the first one had failed
    deployed = project.at_terminal(*DEPLOY)

    assert token_in(deployed.said) == token
    assert project.secrets == {"scim-token-sha256": digest(token)}


@pytest.mark.parametrize("step", [PROVISION, DEPLOY])
def test_a_token_that_was_replaced_since_is_not_told(project: Project, step: tuple[str, ...]) -> None:
    project.at_terminal(*PROVISION)
    project.change(env={"SCIM_TOKEN_SHA256": digest("mine")})

    project.at_terminal(*step)
    told = project.at_terminal(*DEPLOY)

    assert "Secret Token" not in told.said
    assert not project.kept.exists()


def test_the_package_is_built_before_it_is_deployed_and_never_in_a_pipeline(project: Project) -> None:
    assert project.at_terminal(*DEPLOY).code == 0
    assert "infra.package " in project.ran

    (project.folder / "ran.log").unlink()
    assert project.at_terminal(*DEPLOY, CI="true").code == 0
    assert project.ran == []


def test_the_source_is_not_deployed_by_mistake(project: Project) -> None:
    """Nothing is built in Azure. So the source would run there without its requirements."""
    done = project.without_terminal("package")

    assert done.code == 1
    assert "azd deploy api --from-package dist/scim.zip" in done.said


def test_azd_up_provisions_then_deploys_the_package_as_it_is() -> None:
    content = (ROOT / "azure.yaml").read_text()

    assert re.findall(r"  - azd: (.+)", content) == ["provision", "deploy api --from-package dist/scim.zip"]
    assert "    remoteBuild: false\n" in content
    [needed] = re.findall(r'azd: ">= ([\d.]+)"', content)
    assert f"version: {needed}\n" in (ROOT / ".github" / "workflows" / "deploy.yml").read_text()


def test_windows_has_the_same_hooks() -> None:
    """No PowerShell is at hand where this runs: what it would do is read, not tried."""
    content = (ROOT / "azure.yaml").read_text()
    shells = {
        shell: re.findall(
            rf"{shell}: \{{ shell: (\w+), run: .*infra/hook\.(\w+) (\w+)(, interactive: true)? }}", content
        )
        for shell in ("posix", "windows")
    }
    sh, ps1 = ((ROOT / "infra" / f"hook.{suffix}").read_text() for suffix in ("sh", "ps1"))

    assert [item[2:] for item in shells["posix"]] == [item[2:] for item in shells["windows"]]
    assert len(shells["posix"]) == 4
    assert {item[:2] for item in shells["posix"]} == {("sh", "sh")}
    assert {item[:2] for item in shells["windows"]} == {("pwsh", "ps1")}
    for script in (sh, ps1):
        for known in (*UNATTENDED, "no-prompt", "non-interactive", "first-hour.json", "infra.azd", "infra.package"):
            assert known in script
