"""The function app of this project. Its changes wait for a reader or the timer: nothing relays them after an answer."""

import importlib.util
from pathlib import Path

import azure.functions as func

from scim_core.feed.kicks import Kicks

ROOT = Path(__file__).parents[2]


def still(self: Kicks, tenant: str) -> None:
    """See Kicks.kick."""


setattr(Kicks, "kick", still)  # noqa: B010  mypy does not let a method be assigned

specification = importlib.util.spec_from_file_location("endpoint_app", ROOT / "function_app.py")
assert specification is not None
assert specification.loader is not None
endpoint_app = importlib.util.module_from_spec(specification)
specification.loader.exec_module(endpoint_app)
app: func.FunctionApp = endpoint_app.app
