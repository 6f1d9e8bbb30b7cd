from inferno_shared.kubernetes import AccessReviewer, ClusterAccess, KubernetesClient
from unit.shared.certificates import Authority
from unit.shared.kubernetes.fake_api import FakeApi, a_list, answers, watch
from unit.shared.waiting import until

PATH = "/api/v1/namespaces/kube-system/configmaps"


async def test_before_and_after_the_connection_nobody_decides(client: KubernetesClient) -> None:
    access = ClusterAccess()
    assert (access.reviewer(), access.front_proxy(), access.problem) == (None, None, None)
    async with access.through(client):
        assert isinstance(access.reviewer(), AccessReviewer)
        assert (access.front_proxy(), access.problem) == (None, None)
    assert access.reviewer() is None


async def test_the_aggregators_authority_is_handed_on_when_it_is_asked_for(
    api: FakeApi, client: KubernetesClient
) -> None:
    authority = Authority()
    config_map = {
        "metadata": {
            "name": "extension-apiserver-authentication",
            "namespace": "kube-system",
            "resourceVersion": "1",
        },
        "data": {"requestheader-client-ca-file": authority.pem},
    }
    api.on("GET", PATH, answers(a_list(config_map)), watch(then="hang"))
    access = ClusterAccess()
    trusted: list[str | None] = []
    async with access.through(client, trust_front_proxy=trusted.append):
        assert (access.problem or "").endswith("authentication: not read yet")
        await until(lambda: trusted == [authority.pem])
        front_proxy = access.front_proxy()
        assert front_proxy is not None
        assert (front_proxy.authority_pem, access.problem) == (authority.pem, None)
    assert access.front_proxy() is None
