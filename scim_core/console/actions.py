"""The pages that change something. Each is asked for twice: a page says what would happen, its form does it."""

from scim_core.console.deeds import Deeds
from scim_core.console.routes import Ask, address
from scim_core.console.views import Views
from scim_core.messages import HttpError, ScimResponse
from scim_core.pages.answers import see_other


class Actions:
    """These pages. Whoever gets here is an operator, and has sent a form of their own."""

    def __init__(self, views: Views, deeds: Deeds) -> None:
        self._views = views
        self._reading = views.reading
        self._deeds = deeds

    async def confirm_revocation(self, ask: Ask) -> ScimResponse:
        """What the revocation of a credential would do, and the form that does it."""
        tenant = await self._reading.tenant(ask.segments["tenant"])
        credential = tenant.credential(ask.segments["id"])
        if credential is None:
            raise HttpError(404, "There is no such credential.")
        return self._views.answer(ask, "revoke.html", tenant=tenant, credential=credential, form=ask.request.path)

    async def revoke(self, ask: Ask) -> ScimResponse:
        """The credential is revoked."""
        tenant = await self._reading.tenant(ask.segments["tenant"])
        await self._deeds.revoke(ask.visitor, tenant, ask.segments["id"])
        return see_other(address("customers", tenant.id, "credentials"))

    async def confirm_replay(self, ask: Ask) -> ScimResponse:
        """What would be sent again, and the form that does it."""
        tenant = await self._reading.tenant(ask.segments["tenant"])
        hook = await self._reading.hook(tenant, ask.segments["id"])
        state = await self._reading.hook_state(tenant, hook)
        return self._views.answer(ask, "replay.html", tenant=tenant, state=state, form=ask.request.path)

    async def replay(self, ask: Ask) -> ScimResponse:
        """What the hook's receiver has not taken is sent again."""
        tenant = await self._reading.tenant(ask.segments["tenant"])
        hook = await self._reading.hook(tenant, ask.segments["id"])
        await self._deeds.replay_dead(ask.visitor, tenant, hook)
        return see_other(address("customers", tenant.id, "feed"))
