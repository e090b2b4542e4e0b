"""The function app of this project, which also counts its calls to Table Storage and tells the number."""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import azure.functions as func

from infra.costs import Calls
from scim_core.storage.tables.row_operations import RowOperation
from scim_core.storage.tables.wire import Wire

ROOT = Path(__file__).parents[2]
counted = {"reads": 0, "operations": 0}
row, page, transact = Wire.row, Wire.page, Wire.transact


async def counted_row(self: Wire, *arguments: Any) -> Any:
    """See Wire.row."""
    counted["reads"] += 1
    return await row(self, *arguments)


async def counted_page(self: Wire, *arguments: Any) -> Any:
    """See Wire.page."""
    counted["reads"] += 1
    return await page(self, *arguments)


async def counted_transact(self: Wire, partition: str, operations: Sequence[RowOperation], **options: Any) -> Any:
    """See Wire.transact."""
    counted["operations"] += len(operations)
    return await transact(self, partition, operations, **options)


for name, function in {"row": counted_row, "page": counted_page, "transact": counted_transact}.items():
    setattr(Wire, name, function)

specification = importlib.util.spec_from_file_location("endpoint_app", ROOT / "function_app.py")
assert specification is not None
assert specification.loader is not None
endpoint_app = importlib.util.module_from_spec(specification)
specification.loader.exec_module(endpoint_app)
app: func.FunctionApp = endpoint_app.app


@app.route("bench/calls", methods=["GET"])
async def calls(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001  the worker asks for it
    """The storage calls since the start."""
    return func.HttpResponse(json.dumps(asdict(Calls(**counted))), mimetype="application/json")
