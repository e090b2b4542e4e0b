"""What the start of the process, or of a command, imports: each package costs some time."""

import subprocess
import sys

import pytest

from tests.running import ROOT, clean_environment
from tests.tenancy import SIGNING_KEY
from tests.walking import WITH_CURSORS

USUAL = {"SCIM_TOKEN_SHA256": "0" * 64, "SCIM_STORAGE_CONNECTION": "UseDevelopmentStorage=true"}
WITH_REGISTRY = USUAL | {
    "SCIM_TENANTS": "registry",
    "SCIM_PUBLIC_BASE_URL": "https://scim.example.com",
    "SCIM_SIGNING_KEY": SIGNING_KEY,
}


def test_no_key_is_derived_at_the_start() -> None:
    """Not even a deployment with a master key pays for it, until somebody uses a cursor."""
    asked = "import sys, function_app; print(bool(function_app.settings.master_key), 'cryptography' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=ROOT,
        env={**clean_environment(), **USUAL, **WITH_CURSORS},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


@pytest.mark.parametrize(("settings", "imported"), [(USUAL, "False"), (WITH_REGISTRY, "True")])
def test_only_a_registry_needs_jwt(settings: dict[str, str], imported: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, function_app; print(function_app.settings is not None, 'jwt' in sys.modules)",
        ],
        cwd=ROOT,
        env={**clean_environment(), **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", imported], done.stderr


def test_no_command_loads_what_only_another_one_needs() -> None:
    """The console has pages, and a new signing key is made with PyJWT. Nobody else at a terminal waits for these."""
    asked = "import sys, scim_core.admin.__main__; print([name for name in ('jinja2', 'jwt') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["[]"], done.stderr
