"""What is true of every page: it is escaped, it is whole, its headers close it, and its colours can be read."""

import re
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import pytest

from scim_core.messages import HttpError, ScimRequest
from scim_core.pages import answers
from scim_core.pages.forms import FORM, MAX_FIELDS, MAX_FORM_BYTES, cookie, form_fields, query_fields
from scim_core.pages.rendering import Pages, ago, moment, printable

STYLE = (Path(answers.__file__).parent / "assets" / "style.css").read_text()
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def pages(folder: Path, template: str) -> Pages:
    (folder / "page.html").write_text(template)
    return Pages(folder, "/console", lambda: NOW)


def test_a_text_in_a_page_is_escaped(tmp_path: Path) -> None:
    made = pages(
        tmp_path, "{% extends 'base.html' %}{% block main %}<p title=\"{{ name }}\">{{ name }}</p>{% endblock %}"
    )
    text = made.text("page.html", name="\"><script>alert(1)</script>'&")
    assert "<script" not in text.replace("&lt;script", "")
    assert text.count("&lt;script&gt;") == 2


def test_a_value_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(jinja2.UndefinedError):
        pages(tmp_path, "{{ nmae }}").text("page.html", name="x")


def test_a_page_carries_the_headers_that_close_it(tmp_path: Path) -> None:
    response = pages(tmp_path, "hello").answer("page.html")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("style-src", "script-src", "connect-src", "form-action")} == {"'self'"}
    assert "unsafe" not in response.headers["Content-Security-Policy"]


def test_every_file_of_a_page_has_the_same_headers() -> None:
    for name in ("style.css", "again.js", "icon.svg"):
        response = answers.asset(name)
        assert answers.SECURITY_HEADERS.items() <= response.headers.items()
        assert response.body
    with pytest.raises(HttpError):
        answers.asset("../answers.py")


@pytest.mark.parametrize("location", ["//evil.example", "https://evil.example", "/a\r\nSet-Cookie: x", "console", "/ü"])
def test_a_redirect_stays_on_this_host(location: str) -> None:
    with pytest.raises(ValueError, match="redirect"):
        answers.see_other(location)
    assert answers.see_other("/console").status == 303


def test_a_form_has_bounds() -> None:
    def form(body: bytes, media_type: str = FORM) -> dict[str, str]:
        return form_fields(ScimRequest("POST", "/", headers={"content-type": media_type}, body=body))

    assert form(b"a=1&b=%C3%BC&c=", f"{FORM}; charset=utf-8") == {"a": "1", "b": "ü", "c": ""}
    for body, media_type, status in (
        (b"a=1", "text/plain", 415),
        (b"a" * (MAX_FORM_BYTES + 1), FORM, 413),
        (b"a=1&" * (MAX_FIELDS + 1), FORM, 400),
    ):
        with pytest.raises(HttpError) as refused:
            form(body, media_type)
        assert refused.value.status == status
    assert query_fields(ScimRequest("GET", "/", query="q=a%20b+c&q=d")) == {"q": "d"}


def test_a_cookie_is_found_by_its_whole_name() -> None:
    request = ScimRequest("GET", "/", headers={"cookie": "other=1; session=abc=; xsession=2"})
    assert cookie(request, "session") == "abc="
    assert cookie(request, "sess") == ""


def test_characters_that_move_the_text_are_written_out() -> None:
    assert printable("a\u202eb\x1b[31m\n") == "a\\u202eb\\x1b[31m\\n"


def test_times_are_told_as_people_do() -> None:
    assert ago("2026-11-27T09:00:00.000000Z", NOW) == "3 hours ago"
    assert ago("2026-11-27T12:00:20.000000Z", NOW) == "just now"
    assert ago("2026-12-09T12:00:00.000000Z", NOW) == "in 12 days"
    assert ago("2026-11-26T11:00:00.000000Z", NOW) == "1 day ago"
    assert [ago(day, NOW) for day in ("2026-11-27", "2026-11-26", "2026-11-20", "2026-11-30")] == [
        "today",
        "yesterday",
        "7 days ago",
        "in 3 days",
    ]
    assert moment("2026-11-27T09:00:00.000000Z") == "2026-11-27 09:00:00 UTC"
    assert moment("2026-11-27") == "2026-11-27"


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, the relation of two colours: 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_its_ground(scheme: str) -> None:
    light, dark = STYLE.split("prefers-color-scheme: dark", 1)
    found = re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark)
    colours = dict(found)
    grounds = ("page", "surface", "sunken")
    pairs = [(text, ground) for text in ("ink", "soft", "accent") for ground in grounds]
    pairs += [(kind, f"{kind}-wash") for kind in ("good", "warn", "bad", "accent")]
    pairs += [("ink", f"{kind}-wash") for kind in ("good", "warn", "bad", "accent")]
    pairs += [(kind, ground) for kind in ("good", "warn", "bad") for ground in ("page", "surface")]
    pairs += [("on-accent", "accent"), ("surface", "bad")]
    assert {pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 4.5} == set()
    assert contrast(colours["line-strong"], colours["surface"]) >= 3  # the edge of a field
