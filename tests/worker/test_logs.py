"""What must never reach a log, and what the line of a change says."""

import json

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


def test_the_line_of_a_change_names_the_resource_and_its_attributes(endpoint: RunningEndpoint) -> None:
    headers = {"Authorization": f"Bearer {endpoint.token}", "Content-Type": "application/scim+json"}
    body = json.dumps({"userName": "somebody-logged@example.com", "title": "Dr"}).encode()
    answer = send(endpoint.app.url, "/scim/v2/Users", "POST", headers=headers, body=body)
    user = json.loads(answer.body)

    assert until(lambda: user["id"] in endpoint.app.said())
    [line] = [line for line in endpoint.app.said().splitlines() if user["id"] in line and "POST create -> 201" in line]
    assert '"changed": ["userName", "title", "active"]' in line
    assert '"result": "created"' in line
    assert "somebody-logged" not in endpoint.app.said()
