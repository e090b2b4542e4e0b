"""`python -m infra.azd preprovision` and `postdeploy`, in the project's folder, with azd's environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.azd.announcement import announce, outside
from infra.azd.minting import MintingError, mint
from infra.tools import ToolError


def main(step: str, environment: Mapping[str, str]) -> int:
    """The exit code: 0 when azd may go on, 1 with a sentence when not."""
    folder = Path(".azure", environment["AZURE_ENV_NAME"])
    try:
        if step == "preprovision":
            if said := mint(environment, folder):
                print(said)
            return 0
        return 0 if announce(environment, folder, outside(), print) else 1
    except (MintingError, ToolError) as error:
        print(f"{step}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ))
