"""`make screenshots`: each page as a picture in docs/screenshots, by the tests' own code."""

import asyncio
import sys
from pathlib import Path

from tests.browser import running_browser
from tests.console.shots import shoot
from tests.running import ROOT
from tests.setup_page.shots import shoot_setup

FOLDER = ROOT / "docs" / "screenshots"


async def main() -> int:
    """The exit code. The pictures are in docs/screenshots, or in the folder that is given."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    async with running_browser() as browser:
        for file in [*await shoot(browser, folder), *await shoot_setup(browser, folder)]:
            print(f"{file}: {file.stat().st_size / 1024:.0f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
