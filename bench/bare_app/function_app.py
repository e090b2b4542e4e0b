"""The smallest function app that makes an operation's calls to Table Storage: the operation without SCIM."""

import json
import os

import azure.functions as func

from bench import bare
from scim_core.settings import StorageSettings
from scim_core.storage.tables.client import connect

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
connection = connect(StorageSettings.from_environment(os.environ))


@app.route("bare/{operation}/{number}", methods=["POST"])
async def once(req: func.HttpRequest) -> func.HttpResponse:
    """The operation's calls, for the request of this number, and what they read."""
    calls = bare.OPERATIONS[req.route_params["operation"]](int(req.route_params["number"]))
    return func.HttpResponse(await calls(connection.table), mimetype="application/json")


@app.route("bare/{operation}/{first}/{count}/{side_by_side}", methods=["POST"])
async def often(req: func.HttpRequest) -> func.HttpResponse:
    """How long the operation's calls take for each of these numbers, while no other request is under way."""
    first, count = int(req.route_params["first"]), int(req.route_params["count"])
    all_calls = [bare.OPERATIONS[req.route_params["operation"]](number) for number in range(first, first + count)]
    seconds = await bare.durations(connection.table, all_calls, int(req.route_params["side_by_side"]))
    return func.HttpResponse(json.dumps(seconds), mimetype="application/json")
