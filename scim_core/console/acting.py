"""What the pages have in common that change something."""

from scim_core.console.deeds import Deeds
from scim_core.console.views import Views


class Acting:
    """Pages that change something. Whoever gets here is an operator, and has sent a form of their own."""

    def __init__(self, views: Views, deeds: Deeds) -> None:
        self.views = views
        self.reading = views.reading
        self.deeds = deeds
