import pytest

from inferno_shared.access import FrontProxy
from inferno_shared.service import ProblemError
from inferno_shared.service.authorization import Attempt, CertificateGate, FrontProxyGate, Gate
from inferno_shared.service.tls import CLIENTS, FRONT_PROXY, Peer


def a_peer(name: str, *others: str, of: str = CLIENTS) -> Peer:
    return Peer(name, frozenset({name, *others} - {""}), frozenset({of}))


def attempt(peer: Peer | None, **headers: str) -> Attempt:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Attempt("get", "/apis/external.metrics.k8s.io/v1beta1", raw, peer)


async def status(gate: Gate, tried: Attempt) -> int:
    with pytest.raises(ProblemError) as caught:
        await gate.admit(tried)
    return caught.value.status


@pytest.mark.parametrize("peer", [a_peer("actuator"), a_peer("x", "spiffe://c/ns/actuator")])
async def test_a_certificate_with_an_allowed_name_is_admitted(peer: Peer) -> None:
    gate = CertificateGate(("actuator", "spiffe://c/ns/actuator"))
    assert (await gate.admit(attempt(peer))).name in ("actuator", "spiffe://c/ns/actuator")


@pytest.mark.parametrize(
    "peer", [None, a_peer("actuator", of=FRONT_PROXY), a_peer("collector"), a_peer(""), a_peer("*")]
)
async def test_no_certificate_or_another_ones_is_refused(peer: Peer | None) -> None:
    assert await status(CertificateGate(("actuator",)), attempt(peer)) == 403


async def test_a_star_admits_every_certificate_of_the_authorities_and_no_other() -> None:
    gate = CertificateGate(("*",))
    assert (await gate.admit(attempt(a_peer("anyone")))).name == "anyone"
    assert await status(gate, attempt(a_peer("front-proxy-client", of=FRONT_PROXY))) == 403
    assert await status(gate, attempt(None)) == 403


TRUSTED = FrontProxy("pem", frozenset({"front-proxy-client"}), ("X-Remote-User",), ("X-Remote-Group",))
AGGREGATOR = a_peer("front-proxy-client", of=FRONT_PROXY)


async def test_the_aggregator_is_admitted_for_the_user_whom_it_names() -> None:
    gate = FrontProxyGate(lambda: TRUSTED)
    caller = await gate.admit(
        attempt(AGGREGATOR, x_remote_user="system:hpa", x_remote_group="system:authenticated")
    )
    assert (caller.name, caller.groups) == ("system:hpa", ("system:authenticated",))


@pytest.mark.parametrize(
    ("peer", "user"),
    [
        (None, "admin"),
        (a_peer("front-proxy-client", of=CLIENTS), "admin"),
        (a_peer("other", of=FRONT_PROXY), "admin"),
        (a_peer("", of=FRONT_PROXY), "admin"),
        (AGGREGATOR, ""),
    ],
)
async def test_nobody_else_passes_whatever_the_headers_say(peer: Peer | None, user: str) -> None:
    assert await status(FrontProxyGate(lambda: TRUSTED), attempt(peer, x_remote_user=user)) == 403


async def test_without_allowed_names_every_certificate_of_the_authority_is_the_aggregators() -> None:
    trusted = FrontProxy("pem", frozenset(), ("X-Remote-User",))
    caller = await FrontProxyGate(lambda: trusted).admit(
        attempt(a_peer("any", of=FRONT_PROXY), x_remote_user="u")
    )
    assert caller.name == "u"


async def test_until_the_authority_is_known_nobody_passes() -> None:
    assert await status(FrontProxyGate(lambda: None), attempt(AGGREGATOR, x_remote_user="u")) == 503
