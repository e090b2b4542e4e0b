"""`python -m infra.checks`: everything that can be checked without Azure. The exit status is 1 for any finding."""

import argparse
import sys
from pathlib import Path

from infra.checks import compiler, parameters, rules, workflows
from infra.checks.deployed import INFRA, Deployed, Finding


def main() -> int:
    """The exit status. Prints what was checked, and what was found."""
    parser = argparse.ArgumentParser(prog="python -m infra.checks", description="Checks the infrastructure.")
    parser.add_argument("folder", nargs="?", type=Path, default=INFRA, help="default: infra/")
    parser.add_argument("--snapshots", action="store_true", help="write the snapshots again instead of comparing them")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    findings = workflows.audited(folder.resolve().parent / ".github")
    print("zizmor: the workflows and dependabot's file")
    if bicep := compiler.command():
        findings += _compiled(bicep, folder, write=arguments.snapshots)
    else:
        findings.append(Finding(folder, compiler.NO_COMPILER))
    for finding in findings:
        print(finding)
    print(f"{len(findings)} findings")
    return 1 if findings else 0


def _compiled(bicep: str, folder: Path, *, write: bool) -> list[Finding]:
    """What the compiler finds. If it finds nothing, and the snapshots are those of the files: what breaks our rules."""
    findings, notes = compiler.linted(bicep, folder)
    for note in notes:
        print(f"to know: {note}")
    findings += compiler.formatted(bicep, folder)
    print("bicep lint, bicep format: all files")
    findings = findings or compiler.foretold(bicep, folder, write=write)
    if findings:
        return findings
    findings += compiler.refused(bicep, folder)
    main_file = compiler.template(bicep, folder / "main.bicep")
    for path, said in (
        (folder / "main.parameters.json", parameters.given(folder / "main.parameters.json", main_file)),
        (folder / "main.bicep", parameters.described(main_file)),
    ):
        findings += [Finding(path, text) for text in said]
    kept = {path.name.partition(".")[0]: path for path in (folder / "snapshots").glob("*.snapshot.json")}
    broken = rules.broken({name: Deployed.read(path) for name, path in sorted(kept.items())})
    print(f"snapshots: {', '.join(sorted(kept))}")
    return findings + [Finding(kept[name], text) for name, text in broken]


if __name__ == "__main__":
    sys.exit(main())
