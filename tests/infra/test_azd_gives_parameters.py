"""infra/main.parameters.json, from which azd takes the parameters, is compared with the compiled template."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.checks import parameters
from tests.infra.foretold import INFRA

GIVEN = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
TEMPLATE: dict[str, Any] = {
    "parameters": {
        "location": {"type": "string", "metadata": {"description": "where"}},
        "stage": {"type": "string", "defaultValue": "dev", "allowedValues": ["dev", "prod"]},
        "backups": {"type": "bool", "defaultValue": False, "metadata": {"description": "whether"}},
        "tokenSha256": {"type": "securestring", "defaultValue": "", "metadata": {"description": ""}},
    }
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"stadge": "x"}, ["the template has no parameter stadge"]),
        ({"location": None}, ["the template needs the parameter location"]),
        ({"tokenSha256": "00"}, ["the secret tokenSha256 is written down"]),
        ({"tokenSha256": "${SCIM_TOKEN_SHA256=00}"}, ["the secret tokenSha256 is written down"]),
        (
            {"backups": "${SCIM_BACKUPS=true}"},
            ["azd passes 'true' as backups where nobody sets it, and the template has 'false'"],
        ),
        ({"backups": "${SCIM_BACKUPS=false}"}, []),
        (
            {"stage": "${SCIM_STAGE=test}"},
            ["azd passes 'test' as stage where nobody sets it, and the template has 'dev'"],
        ),
    ],
)
def test_a_fault_in_parameters_is_found(tmp_path: Path, changed: dict[str, str | None], said: list[str]) -> None:
    right = {"location": "${AZURE_LOCATION}", "stage": "${SCIM_STAGE=dev}", "tokenSha256": "${SCIM_TOKEN_SHA256=}"}
    file = tmp_path / "main.parameters.json"
    file.write_text(json.dumps({"parameters": {k: {"value": v} for k, v in (right | changed).items() if v}}))

    assert list(parameters.given(file, TEMPLATE)) == said


@pytest.mark.parametrize("content", ["{", "[]", '{"parameters": []}', '{"parameters": {"stage": "dev"}}'])
def test_a_file_that_gives_none_is_found(tmp_path: Path, content: str) -> None:
    file = tmp_path / "main.parameters.json"
    file.write_text(content)

    assert [text.partition(" (")[0] for text in parameters.given(file, TEMPLATE)] == ["is no file of parameters"]


def test_a_parameter_without_a_description_is_found() -> None:
    assert [text.split()[2] for text in parameters.described(TEMPLATE)] == ["stage", "tokenSha256"]


def test_who_deploys_is_told_by_azd() -> None:
    assert GIVEN["deployerPrincipalId"]["value"] == "${AZURE_PRINCIPAL_ID=}"
    assert GIVEN["deployerPrincipalType"]["value"] == "${AZURE_PRINCIPAL_TYPE=User}"
