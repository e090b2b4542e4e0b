"""The smallest function app that makes an operation's calls to Table Storage: the operation without SCIM.

It makes them by hand, and as the product does: see bench/tables.py.
"""

import json
import os
from dataclasses import asdict

import azure.functions as func

from bench import bare
from bench.tables import WAYS
from scim_core.settings import StorageSettings

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
tables = {way: kind(StorageSettings.from_environment(os.environ)) for way, kind in WAYS.items()}


@app.route("bare/{operation}/{number}", methods=["POST"])
async def once(req: func.HttpRequest) -> func.HttpResponse:
    """The operation's calls by hand, for the request of this number, and what they read."""
    calls = bare.OPERATIONS[req.route_params["operation"]](int(req.route_params["number"]))
    return func.HttpResponse(await calls(tables["bare"]), mimetype="application/json")


@app.route("calls/{way}/{operation}/{first}/{count}/{side_by_side}", methods=["POST"])
async def often(req: func.HttpRequest) -> func.HttpResponse:
    """What the operation's calls cost for each of these numbers, while no other request is under way."""
    first, count = int(req.route_params["first"]), int(req.route_params["count"])
    all_calls = [bare.OPERATIONS[req.route_params["operation"]](number) for number in range(first, first + count)]
    table = tables[req.route_params["way"]]
    cost = await bare.timed(table, all_calls, int(req.route_params["side_by_side"]))
    return func.HttpResponse(json.dumps(asdict(cost)), mimetype="application/json")
