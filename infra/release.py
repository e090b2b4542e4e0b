"""`python -m infra.release v1.2.3`: whether this is the version to release, and what is new in it.

The version stands in scim_core/version.py. A release has a section in CHANGELOG.md, and a tag of the same name.
"""

import argparse
import re
import sys

from infra.package import ROOT
from scim_core.version import __version__


def main() -> int:
    """The exit status: 0 when the tag fits. Prints the changelog's section as the release notes."""
    parser = argparse.ArgumentParser(prog="python -m infra.release", description="Checks the tag of a release.")
    parser.add_argument("tag", help="v and the version, such as v1.2.3")
    tag = parser.parse_args().tag
    changelog = (ROOT / "CHANGELOG.md").read_text()
    problem = tag_problem(tag, __version__, changelog)
    if problem:
        print(f"release: {problem}", file=sys.stderr)
        return 1
    print(released(changelog)[__version__])
    return 0


def tag_problem(tag: str, version: str, changelog: str) -> str:
    """Why this tag cannot release this version, as a sentence. Empty when it can."""
    if tag != f"v{version}":
        return f"The tag is {tag}, but scim_core/version.py says {version}."
    newest = next(iter(released(changelog)), "none")
    if newest != version:
        return f"The newest version in CHANGELOG.md is {newest}, but scim_core/version.py says {version}."
    return ""


def released(changelog: str) -> dict[str, str]:
    """The text of the section of each released version, the newest first."""
    heading = r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d\n"
    _, *parts = re.split(heading, changelog, flags=re.MULTILINE)
    return {version: text.strip() for version, text in zip(parts[::2], parts[1::2], strict=True)}


if __name__ == "__main__":
    sys.exit(main())
