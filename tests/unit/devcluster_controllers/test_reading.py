import pytest

from devcluster.controllers.hpa_spec import parse_hpa
from devcluster.controllers.reading import careful
from devcluster.controllers.workloads import parse_deployment
from inferno_shared.errors import MalformedObjectError


def test_a_deployment_without_a_template_is_malformed_not_a_crash() -> None:
    with pytest.raises(MalformedObjectError, match="Deployment: cannot be read: KeyError: 'selector'"):
        careful(parse_deployment)(
            {"kind": "Deployment", "metadata": {"namespace": "n", "name": "d", "uid": "u"}, "spec": {}}
        )


def test_an_hpa_without_a_maximum_names_the_field() -> None:
    raw = {
        "metadata": {"namespace": "n", "name": "h"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}},
    }
    with pytest.raises(MalformedObjectError, match=r"spec\.maxReplicas: is required"):
        careful(parse_hpa)(raw)
