"""The service as a client sees it: health, TLS, credentials, clock, discovery."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from scim_core.access.token_format import new_token
from scim_core.admin.doctor.findings import CannotTell, Examined, NotNeeded, Trouble
from scim_core.admin.doctor.logs import WHY_NOT_SERVING
from scim_core.admin.probe import ANSWER_SECONDS, Answer, Probe, WrongAnswer, explain, split
from scim_core.admin.smoke_test import GivenCredential, SmokeTest, Step
from scim_core.clock import Clock

ENTRA_SUITES = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA256", "AES256-SHA384")
    for key in ("ECDSA", "RSA")
)
"""The suites that Entra offers, and it speaks TLS 1.2 only (entra.md)."""

CERTIFICATE_DAYS = 14
"""A certificate that ends sooner should have been renewed. Azure renews its own 45 days before."""

CLOCK_SECONDS = 60
"""So far a clock may be off: tokens are taken with this leeway."""

_BASE = "/scim/v2"
_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"


def entra_context() -> ssl.SSLContext:
    """TLS as Entra speaks it, with the certificates that this machine trusts."""
    context = ssl.create_default_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ENTRA_SUITES)
    return context


@dataclass
class Outside:
    """A service at scheme and host. `health` is checked first.

    The other checks raise WrongAnswer if the service answers no more.
    """

    url: str
    probe: Probe
    clock: Clock
    context: Callable[[], ssl.SSLContext] = entra_context
    answers: bool = True

    async def health(self) -> Examined:
        """Whether the app answers, and its storage answers it. If nothing answers, no later check asks again."""
        try:
            answer = await self._get("/health")
        except WrongAnswer as wrong:
            self.answers = False
            return [Trouble(str(wrong), "Check the address, and that the app is started.")]
        except CannotTell:
            self.answers = False
            raise
        found = answer.document if isinstance(answer.document, dict) else {}
        if answer.status == 503:  # noqa: PLR2004
            said = "The app answers 503 to everything: it does not take its settings, or it does not start."
            return [Trouble(said, f"The log names the cause: {WHY_NOT_SERVING}")]
        if answer.status != 200 or "storageAnswers" not in found:  # noqa: PLR2004
            said = f"Something else than this service answers at {self.url}/health ({answer.status})."
            return [Trouble(said, "Check the address. If it is the function app, deploy the package.")]
        if found["storageAnswers"] is not True:
            return [
                Trouble(
                    "The app runs, but its storage does not answer.",
                    "See what is said of roles and table. The log has the reason: "
                    'AppTraces | where Message startswith "the storage does not answer"',
                )
            ]
        return f"version {found.get('version')}, and the storage answers"

    async def tls(self) -> Examined:
        """Whether Entra can connect: TLS 1.2, one of its suites, a trusted certificate that does not end soon."""
        parts = split(self.url)
        if parts.scheme != "https":
            return [Trouble(f"{self.url} is not https: Entra takes no other address.", "Give the app a certificate.")]
        name = parts.hostname or ""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                _, writer = await asyncio.open_connection(
                    name, parts.port or 443, ssl=self.context(), server_hostname=name
                )
        except ssl.SSLCertVerificationError as error:
            said = f"The certificate of {name} is not trusted: {error.verify_message}."
            return [Trouble(said, "Give the host a certificate of a public authority, for exactly this name.")]
        except (ssl.SSLError, ConnectionResetError):
            said = f"{name} takes no connection with TLS 1.2 and a suite that Entra knows."
            return [
                Trouble(said, "Let the gateway offer TLS 1.2 with ECDHE and AES-GCM. Entra does not speak TLS 1.3.")
            ]
        except (OSError, TimeoutError) as error:
            said = f"There is no direct connection from here to {name} ({type(error).__name__})."
            raise CannotTell(said, "Run the doctor where no proxy is needed.") from None
        certificate: Mapping[str, Any] = writer.get_extra_info("peercert")
        suite, _, _ = writer.get_extra_info("cipher")
        writer.transport.abort()
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        if ends < self.clock() + timedelta(days=CERTIFICATE_DAYS):
            said = f"The certificate of {name} ends on {ends:%Y-%m-%d}."
            return [Trouble(said, "Renew it. One that Azure manages needs the CNAME record of the domain to do so.")]
        return f"TLS 1.2, {suite}, a certificate until {ends:%Y-%m-%d}"

    async def without_credential(self) -> Examined:
        """Whether nobody gets in without a credential, and the answer says which kind is wanted."""
        return self._refused(await self._get(f"{_BASE}/Users"), "a request without a credential")

    async def with_made_up_token(self) -> Examined:
        """Whether a token that nobody has issued is refused. In a registry, it is looked up in the table."""
        answer = await self._get(f"{_BASE}/Users", Authorization=f"Bearer {new_token()}")
        if answer.status == 503:  # noqa: PLR2004
            said = "The registry of tenants cannot be read: credentials cannot be checked (503)."
            return [Trouble(said, "See what is said of roles and table.")]
        return self._refused(answer, "a request with a made-up token")

    def _refused(self, answer: Answer, what: str) -> Examined:
        if answer.status == 200:  # noqa: PLR2004
            said = f"{what.capitalize()} was answered 200: the directory is open to everybody."
            do = "Stop the app at once (az functionapp stop). Then find out what answers at this address."
            return [Trouble(said, do)]
        if answer.status != 401:  # noqa: PLR2004
            return [Trouble(f"{what.capitalize()} was answered {answer.status}, not 401.", str(explain(answer, what)))]
        if not answer.headers.get("www-authenticate", "").startswith("Bearer"):
            said = "The answer 401 has no WWW-Authenticate: Bearer. Something before the app has refused the request."
            return [Trouble(said, "Turn off the platform's own authentication (Easy Auth), and that of the gateway.")]
        return "401"

    async def clocks(self) -> Examined:
        """Whether the clock of this machine is that of the service."""
        answer = await self._get("/health")
        try:
            theirs = parsedate_to_datetime(answer.headers.get("date", ""))
        except ValueError:
            raise CannotTell("The answer has no Date.", "Look at what is before the app: HTTP demands it.") from None
        off = abs((self.clock() - theirs).total_seconds())
        if off > CLOCK_SECONDS:
            return [
                Trouble(
                    f"The clock of this machine and that of the service differ by {off:.0f} seconds.",
                    "Set the clock of this machine (NTP): credentials that you make here expire by it. If it is right, "
                    "something before the app answers old pages: turn off caching there.",
                )
            ]
        return f"{off:.0f} seconds apart"

    async def configuration(self) -> Examined:
        """Whether ServiceProviderConfig is ours, and names the address that clients use."""
        answer = await self._get(f"{_BASE}/ServiceProviderConfig")
        found = answer.document if isinstance(answer.document, dict) else {}
        if answer.status != 200 or _CONFIG not in found.get("schemas", ()):  # noqa: PLR2004
            said = f"/ServiceProviderConfig was answered {answer.status}, without a ServiceProviderConfig."
            return [Trouble(said, "Check the address. A gateway must pass on the whole path.")]
        location, wanted = str(found.get("meta", {}).get("location")), f"{self.url}{_BASE}/ServiceProviderConfig"
        if location != wanted:
            said = (
                f"The service takes {location.removesuffix('/ServiceProviderConfig')} for its address, not {self.url}."
            )
            do = "Set publicBaseUrl to the address that clients use. Access tokens are issued by it, too."
            return [Trouble(said, do)]
        lacking = [name for name in ("patch", "filter") if found.get(name, {}).get("supported") is not True]
        if lacking:
            return [Trouble(f"It says that it has no {' and no '.join(lacking)}.", "Deploy the package again.")]
        return "patch and filter are supported"

    async def searches(self, credential: GivenCredential | None) -> Examined:
        """The steps of the smoke test that change nothing."""
        if credential is None:
            raise NotNeeded("no credential was given: --credential-from names the variable that holds one")
        if not self.answers:
            raise NotNeeded("nothing answers: see what is said of health")
        steps: list[Step] = []
        test = SmokeTest(self.probe, f"{self.url}{_BASE}", credential, steps.append, only_reads=True)
        if await test.run():
            return f"{len(steps)} steps, and nothing was changed"
        return [Trouble(f"{step.name}: {step.wrong}", _CREDENTIAL) for step in steps if step.wrong]

    async def _get(self, path: str, **headers: str) -> Answer:
        if not self.answers:
            raise NotNeeded("nothing answers: see what is said of health")
        answer = await self.probe.send("GET", self.url + path, headers)
        if answer.status == 403 and answer.document is None:  # noqa: PLR2004
            raise CannotTell(
                "The network rules of the app let nobody in from here (403).",
                "It is so with restrictToEntra and with a gateway. Run the doctor from where clients come, or give the "
                "address of the gateway with --url.",
            )
        return answer


_CREDENTIAL = "If the credential is the cause, python -m scim_core.admin credentials list shows its state."
