"""A bearer token of each kind of credential, for a tenant of its own. The recorded clients are run with each."""

from scim_core.registry import CredentialKind
from tests.clients.targets import InProcess
from tests.tenancy import ENTRA_TENANT, SUBJECT, Misbehaving, Service, assertion_fields, document, settings

HOST = "http://localhost:7071"
KINDS = tuple(str(kind) for kind in CredentialKind)


async def target_of(kind: str, entra: Misbehaving) -> InProcess:
    """An endpoint of many tenants in this process, and the bearer token of a tenant that has this kind alone."""
    service = Service(settings(entra.url, SCIM_PUBLIC_BASE_URL=HOST))
    issued = await service.tenant("Contoso", CredentialKind(kind))
    now = service.clock().timestamp()
    match CredentialKind(kind):
        case CredentialKind.TOKEN:
            bearer = issued.secret
        case CredentialKind.SECRET:
            bearer = await service.access_token(issued)
        case CredentialKind.FEDERATION:
            assertion = entra.assertion(ENTRA_TENANT, SUBJECT, issued.credential.audience, now)
            answer = await service.ask_for_token(assertion_fields(issued.credential.client_id, assertion))
            bearer = document(answer)["access_token"]
        case CredentialKind.ENTRA:
            bearer = entra.request_token(ENTRA_TENANT, issued.credential.audience, now)
    return InProcess(service.endpoint, f"{HOST}/scim/v2", bearer)
