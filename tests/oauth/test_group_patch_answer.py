"""What a PATCH of a group answers: nothing or the whole group, as the setting or the tenant's own answer says."""

import json

import pytest

from scim_core import ScimResponse
from scim_core.access.credential_plans import Issued
from scim_core.access.token_format import digest
from scim_core.registry import CredentialKind, GroupPatchAnswer
from scim_core.settings import SettingsError
from tests.tenancy import Service, document, settings

PATCH = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "displayName", "value": "Writers"}],
}


async def patched(service: Service, token: str) -> ScimResponse:
    """The answer to a rename of a new group with one member."""
    user = document(await service.send("POST", "/scim/v2/Users", token, {"userName": "ann"}))["id"]
    group = {"displayName": "Editors", "members": [{"value": user}]}
    group_id = document(await service.send("POST", "/scim/v2/Groups", token, group))["id"]
    answer = await service.send("PATCH", f"/scim/v2/Groups/{group_id}", token, PATCH)
    await service.send("DELETE", f"/scim/v2/Groups/{group_id}", token)
    await service.send("DELETE", f"/scim/v2/Users/{user}", token)
    return answer


def assert_whole(answer: ScimResponse) -> None:
    assert answer.status == 200
    group = json.loads(answer.body)
    assert group["displayName"] == "Writers"
    assert len(group["members"]) == 1
    assert answer.headers["ETag"] == group["meta"]["version"]


def assert_nothing(answer: ScimResponse) -> None:
    assert (answer.status, answer.body) == (204, b"")


async def test_the_usual_answer_is_204(service: Service, contoso: Issued) -> None:
    assert_nothing(await patched(service, contoso.secret))


@pytest.mark.parametrize("kind", [CredentialKind.TOKEN, CredentialKind.SECRET])
async def test_a_tenant_has_its_own_answer_within_a_minute_and_the_usual_one_within_another(
    service: Service, contoso: Issued, kind: CredentialKind
) -> None:
    issued = contoso if kind is CredentialKind.TOKEN else await service.credential("contoso", kind)
    bearer = issued.secret if kind is CredentialKind.TOKEN else await service.access_token(issued)
    await service.users(bearer)
    await service.administration.change_tenant("contoso", GroupPatchAnswer.WHOLE_GROUP)
    service.pass_time(61)
    assert_whole(await patched(service, bearer))
    await service.administration.change_tenant("contoso", GroupPatchAnswer.USUAL)
    service.pass_time(61)
    assert_nothing(await patched(service, bearer))


async def test_the_answer_is_that_tenants_alone(service: Service, contoso: Issued) -> None:
    await service.administration.create_tenant("Fabrikam")
    other = await service.credential("fabrikam", CredentialKind.TOKEN)
    await service.administration.change_tenant("contoso", GroupPatchAnswer.WHOLE_GROUP)
    service.pass_time(61)
    assert_nothing(await patched(service, other.secret))
    assert_whole(await patched(service, contoso.secret))


async def test_the_setting_decides_for_tenants_without_an_answer_of_their_own(
    service: Service, contoso: Issued
) -> None:
    whole = Service(settings(SCIM_GROUP_PATCH_ANSWER="200"), registry=service.registry)
    assert_whole(await patched(whole, contoso.secret))
    await service.administration.change_tenant("contoso", GroupPatchAnswer.NO_CONTENT)
    whole.pass_time(61)
    assert_nothing(await patched(whole, contoso.secret))


async def test_the_token_of_the_settings_follows_the_tenant_default_if_it_is_registered() -> None:
    service = Service(settings(SCIM_TOKEN_SHA256=digest("the token of the settings")))
    assert_nothing(await patched(service, "the token of the settings"))
    await service.administration.create_tenant("Default", "default")
    await service.administration.change_tenant("default", GroupPatchAnswer.WHOLE_GROUP)
    service.pass_time(61)
    assert_whole(await patched(service, "the token of the settings"))


async def test_a_tenant_that_is_created_again_has_the_usual_answer(service: Service) -> None:
    administration = service.administration
    await administration.create_tenant("Default", "default")
    await administration.change_tenant("default", GroupPatchAnswer.WHOLE_GROUP)
    await administration.delete("default", lambda _: None)
    again = await administration.create_tenant("Default", "default", reopen=True)
    assert again.group_patch_answer is GroupPatchAnswer.USUAL


@pytest.mark.parametrize("text", ["true", "201", "204 ", "none"])
def test_another_value_of_the_setting_stops_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="SCIM_GROUP_PATCH_ANSWER must be 204"):
        settings(SCIM_GROUP_PATCH_ANSWER=text)


async def test_a_user_is_answered_as_ever(service: Service, contoso: Issued) -> None:
    await service.administration.change_tenant("contoso", GroupPatchAnswer.NO_CONTENT)
    service.pass_time(61)
    user = document(await service.send("POST", "/scim/v2/Users", contoso.secret, {"userName": "ann"}))["id"]
    body = {"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]}
    answer = await service.send("PATCH", f"/scim/v2/Users/{user}", contoso.secret, body)
    assert (answer.status, document(answer)["title"]) == (200, "Boss")
