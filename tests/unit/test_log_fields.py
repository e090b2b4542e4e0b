"""The text of log records."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from scim_core.log_fields import FieldsInText


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What loggers say while records are ours, by a handler that formats as the Functions worker does."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(FieldsInText)
    loggers = [logging.getLogger("scim_core.anything"), logging.getLogger("elsewhere")]
    for logger in loggers:
        logger.addHandler(handler)
        monkeypatch.setattr(logger, "level", logging.INFO)
    yield stream
    logging.setLogRecordFactory(before)
    for logger in loggers:
        logger.removeHandler(handler)


def test_a_record_of_ours_ends_with_its_fields(said: io.StringIO) -> None:
    logging.getLogger("scim_core.anything").info("%s -> %s", "POST", 201, extra={"tenant": "contoso", "status": 201})

    text, _, fields = said.getvalue().partition(" {")
    assert text == "POST -> 201"
    assert json.loads("{" + fields) == {"tenant": "contoso", "status": 201}


def test_without_fields_the_text_is_all(said: io.StringIO) -> None:
    logging.getLogger("scim_core.anything").info("nothing more", extra={"tenant": None})

    assert said.getvalue() == "nothing more\n"


def test_records_of_others_are_as_they_were(said: io.StringIO) -> None:
    logging.getLogger("elsewhere").info("theirs", extra={"tenant": "contoso"})

    assert said.getvalue() == "theirs\n"


def test_a_traceback_is_kept_beside_the_fields(said: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        logging.getLogger("scim_core.anything").exception("failed", extra={"correlation": "c-1"})

    assert said.getvalue().startswith('failed {"correlation": "c-1"}\nTraceback')
