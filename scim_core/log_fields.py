"""Log records whose text contains their fields: the Functions host takes only the text of a record.

`log.info("POST create -> 201", extra={"tenant": "contoso"})` reads `POST create -> 201 {"tenant": "contoso"}`, which a
query in Log Analytics parses (infra/workbook.json, docs/operate.md).
"""

import json
import logging

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_OURS = "scim_core"


class FieldsInText(logging.LogRecord):
    """A record of one of our loggers ends with its fields as JSON. Other records stay unchanged."""

    def getMessage(self) -> str:  # noqa: N802 -- the standard library's name
        """The text, followed by the fields that `extra` gave the record and that are not None."""
        text = super().getMessage()
        if self.name.partition(".")[0] != _OURS:
            return text
        fields = {name: value for name, value in vars(self).items() if name not in _OWN and value is not None}
        return f"{text} {json.dumps(fields, default=str)}" if fields else text
