"""`python -m infra.checks`: every check of the Bicep files and the workflows that can run here.

The exit status is 1 for any finding.
"""

import argparse
import sys
import time
from pathlib import Path

from infra.checks import external, rules
from infra.checks.bicep import Finding

_NO_COMPILER = (
    "there is no Bicep CLI: install it (`az bicep install`, then put ~/.azure/bin on the path), or name it: "
    "make check-infra BICEP=/path/to/bicep"
)


def main() -> int:
    """The exit status. Prints for each check whether it ran, and what it found."""
    parser = argparse.ArgumentParser(prog="python -m infra.checks", description="Checks of Bicep files, without Azure.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1], help="default: infra/")
    parser.add_argument(
        "--types", type=Path, help="bicepcheck.py, which knows Azure's resource types; it may be missing"
    )
    parser.add_argument("--no-checkov", action="store_true", help="leave out checkov, which takes most of the time")
    parser.add_argument("--snapshots", action="store_true", help="write the snapshots again instead of comparing them")
    arguments = parser.parse_args()
    findings = _check(
        arguments.folder, arguments.types, checkov=not arguments.no_checkov, snapshots=arguments.snapshots
    )
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings")
    return 1 if findings else 0


def _check(folder: Path, types: Path | None, *, checkov: bool, snapshots: bool) -> list[Finding]:
    bicep, parameters = sorted(folder.rglob("*.bicep")), sorted(folder.glob("*.parameters.json"))
    if not bicep:
        return [Finding(folder, 1, "there is no Bicep file")]
    started = time.monotonic()
    findings = rules.check(bicep)
    findings += rules.check_roles(folder / "roles.json")
    for path in parameters:
        findings += rules.check_parameters(path, folder / "main.bicep")
    print(f"syntax, names, modules, roles, parameters: {len(bicep) + len(parameters)} files")
    if types and types.is_file():
        findings += external.types(types, bicep)
        print("resource types: checked")
    else:
        print("resource types: not checked, there is no bicepcheck.py")
    if checkov:
        count, found = external.security(folder)
        findings += found or ([] if count else [Finding(folder, 1, "checkov checked nothing")])
        print(f"checkov: {count} checks")
    workflows = folder.resolve().parent / ".github"
    if workflows.is_dir():
        findings += external.workflows(workflows)
        print("zizmor: checked the workflows")
    else:
        print("zizmor: not run, there is no folder .github")
    if command := external.bicep_command():
        findings += external.written(command, folder)
        for path in sorted(folder.glob("*.bicep")):
            findings += external.bicep(command, path)
        count, found = external.snapshots(command, folder, write=snapshots)
        findings += found
        print(f"bicep build, bicep format: done; snapshots: {count}")
    else:
        findings.append(Finding(folder, 1, _NO_COMPILER))
    print(f"{time.monotonic() - started:.0f} s")
    return findings


if __name__ == "__main__":
    sys.exit(main())
