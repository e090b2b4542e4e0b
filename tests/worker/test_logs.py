"""What must never reach a log."""

from tests.running import RunningEndpoint
from tests.worker.processes import until
from tests.worker.raw_http import send


def test_neither_a_code_in_the_url_nor_the_token_is_logged(endpoint: RunningEndpoint) -> None:
    headers = {"Authorization": f"Bearer {endpoint.token}"}
    for path in ("/Users", "/LoggedAfterwards"):
        send(
            endpoint.app.url,
            f"/scim/v2{path}?code=a-function-key&filter=userName+eq+%22secret-person%22",
            headers=headers,
        )

    assert until(lambda: "LoggedAfterwards" in endpoint.app.said())
    said = endpoint.app.said()
    assert [word for word in ("a-function-key", "secret-person", endpoint.token) if word in said] == []
