"""What a person is told after the first deployment, when the app answers late, wrongly or not at all."""

from pathlib import Path

import pytest

from infra.azd import announcement
from infra.azd.announcement import ATTEMPTS, Outside, announce
from infra.azd.kept import Minted, digest
from infra.tools import ToolError

URL = "https://scim.example.com/scim/v2"
TOKEN = "the-token"


class Deployment:
    """An app that ails in these ways, one after the other, and in the last one for ever."""

    def __init__(self, folder: Path, *ails: str, good: bool = True) -> None:
        self.folder = folder
        self.ails = ails
        self.good = good
        self.asked: list[str] = []
        self.tested: list[tuple[str, str]] = []
        self.pauses = 0
        self.said: list[str] = []
        Minted("SCIM_TOKEN_SHA256", digest("a hash"), TOKEN).keep(folder)

    def announced(self, **environment: str) -> bool:
        given = {"TENANT_URL": URL} | environment
        return announce(given, self.folder, Outside(self._ails, self._test, self._pause), self.said.append)

    def _ails(self, url: str) -> str:
        self.asked.append(url)
        return self.ails[min(len(self.asked), len(self.ails)) - 1]

    def _test(self, url: str, token: str) -> bool:
        self.tested.append((url, token))
        return self.good

    def _pause(self, _: float) -> None:
        self.pauses += 1


@pytest.fixture(autouse=True)
def _no_azd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcement, "run", lambda *_: "")


def test_it_waits_until_the_app_is_healthy_and_says_each_reason_once(tmp_path: Path) -> None:
    app = Deployment(tmp_path, "the answer is 503", "the answer is 503", "no role yet", "")

    assert app.announced()
    assert app.asked == ["https://scim.example.com/health"] * 4
    assert app.pauses == 3
    assert [text.partition(": ")[2] for text in app.said[:-1]] == ["the answer is 503", "no role yet"]
    assert app.tested == [(URL, TOKEN)]
    assert TOKEN in app.said[-1]


def test_an_app_that_stays_ill_is_given_up_but_the_token_is_told(tmp_path: Path) -> None:
    app = Deployment(tmp_path, "the answer is 503")

    assert not app.announced()
    assert len(app.asked) == ATTEMPTS
    assert app.tested == []
    assert TOKEN in app.said[-1]
    assert f"smoke-test {URL}" in app.said[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_smoke_test_that_finds_something_is_a_failure_and_the_token_is_told(tmp_path: Path) -> None:
    app = Deployment(tmp_path, "", good=False)

    assert not app.announced()
    assert TOKEN in app.said[-1]
    assert "The smoke test found" in app.said[-1]


def test_where_only_entra_gets_answers_nothing_is_tried(tmp_path: Path) -> None:
    app = Deployment(tmp_path, "the answer is 403")

    assert app.announced(SCIM_RESTRICT_TO_ENTRA="true")
    assert (app.asked, app.tested) == ([], [])
    assert "only Entra gets answers" in app.said[-1]


def test_it_is_told_once(tmp_path: Path) -> None:
    app = Deployment(tmp_path, "")
    app.announced()
    app.said.clear()

    assert app.announced()
    assert app.said == []


def test_what_azd_could_not_forget_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the secret would stay in azd's environment, and nobody would know."""
    app = Deployment(tmp_path, "")
    fails = True
    cleared = []

    def azd(*arguments: str) -> str:
        if fails:
            raise ToolError("no")
        cleared.append(arguments)
        return ""

    monkeypatch.setattr(announcement, "run", azd)
    with pytest.raises(ToolError):
        app.announced(SCIM_TOKEN_SHA256="a hash")
    fails = False
    assert app.announced(SCIM_TOKEN_SHA256="a hash")
    assert cleared == [("azd", "env", "set", "SCIM_TOKEN_SHA256", "")]
    assert list(tmp_path.iterdir()) == []
