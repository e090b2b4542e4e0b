"""The pages by which an operator makes and ends a setup link, and makes a new customer with one.

A link and a token are shown on the answer of the form alone: in no address, and on no page that is looked at later.
"""

from scim_core.access import connectivity
from scim_core.access.setup_plans import DEFAULT_LINK_DAYS, MAX_LINK_DAYS
from scim_core.console.acting import Acting
from scim_core.console.routes import Ask, address
from scim_core.console.views import MAX_TEXT
from scim_core.messages import HttpError, ScimResponse
from scim_core.pages.answers import see_other

DAYS = (1, 3, DEFAULT_LINK_DAYS, 14, MAX_LINK_DAYS)
"""The days that the page offers."""


class SetupActions(Acting):
    """These pages."""

    async def confirm_setup_link(self, ask: Ask) -> ScimResponse:
        """What a setup link does, until when it is good, and the form that makes one."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        self.deeds.require_linkable(tenant)
        return self.views.answer(
            ask, "setup_link.html", tenant=tenant, days=DAYS, usual=DEFAULT_LINK_DAYS, form=ask.request.path
        )

    async def link_setup(self, ask: Ask) -> ScimResponse:
        """The new link, which is shown now and never again."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        days = ask.fields.get("days", "")
        if days not in map(str, DAYS):
            raise HttpError(400, "Choose one of the numbers of days that the page offers.")
        linked, link = await self.deeds.link_setup(ask.visitor, tenant, int(days))
        return self.views.answer(ask, "made.html", tenant=linked, link=link, fields={}, ends="")

    async def confirm_setup_end(self, ask: Ask) -> ScimResponse:
        """What the end of the setup link does, and the form that ends it."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        return self.views.answer(ask, "end_setup.html", tenant=tenant, form=ask.request.path)

    async def end_setup(self, ask: Ask) -> ScimResponse:
        """The link, and the page that it opened, open nothing any more."""
        tenant = await self.reading.tenant(ask.segments["tenant"])
        await self.deeds.end_setup(ask.visitor, tenant)
        return see_other(address("customers", tenant.id))

    async def confirm_customer(self, ask: Ask) -> ScimResponse:
        """What is made for a new customer, and the form that makes it."""
        self.deeds.require_address()
        return self.views.answer(ask, "new_customer.html", form=ask.request.path, days=DEFAULT_LINK_DAYS)

    async def create_customer(self, ask: Ask) -> ScimResponse:
        """The token and the setup link of the new customer, which are shown now and never again."""
        name, tenant_id = (ask.fields.get(field, "").strip() for field in ("name", "id"))
        if max(len(name), len(tenant_id)) > MAX_TEXT:
            raise HttpError(400, f"A text has at most {MAX_TEXT} characters.")
        issued, link = await self.deeds.create_customer(ask.visitor, name, tenant_id)
        fields = connectivity.fields(issued.credential, issued.secret, self.deeds.require_address())
        return self.views.answer(
            ask, "made.html", 201, tenant=issued.tenant, link=link, fields=fields, ends=issued.credential.expires
        )
