"""The pages that change something. Each is asked for twice: a page says what would happen, its form does it."""

from scim_core.console.mass_change_actions import MassChangeActions
from scim_core.console.routes import Ask, address
from scim_core.console.setup_actions import SetupActions
from scim_core.messages import HttpError, ScimResponse
from scim_core.pages.answers import see_other


class Actions(MassChangeActions, SetupActions):
    """All of these pages."""

    async def confirm_revocation(self, ask: Ask) -> ScimResponse:
        """What the revocation of a credential would do, and the form that does it."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        credential = tenant.credential(ask.segments["id"])
        if credential is None:
            raise HttpError(404, "There is no such credential.")
        return self.views.answer(ask, "revoke.html", tenant=tenant, credential=credential, form=ask.request.path)

    async def revoke(self, ask: Ask) -> ScimResponse:
        """The credential is revoked."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        await self.deeds.revoke(ask.visitor, tenant, ask.segments["id"])
        return see_other(address("customers", tenant.id, "credentials"))

    async def confirm_replay(self, ask: Ask) -> ScimResponse:
        """What would be sent again, and the form that does it."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        hook = await self.reading.hook(tenant, ask.segments["id"])
        state = await self.reading.hook_state(tenant, hook)
        return self.views.answer(ask, "replay.html", tenant=tenant, state=state, form=ask.request.path)

    async def replay(self, ask: Ask) -> ScimResponse:
        """What the hook's receiver has not taken is sent again."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        hook = await self.reading.hook(tenant, ask.segments["id"])
        await self.deeds.replay_dead(ask.visitor, tenant, hook)
        return see_other(address("customers", tenant.id, "feed"))
