"""Whether Prometheus (or Thanos) answers with the address, certificate and token of the ConfigMap.

The collector reads them in its pod; from elsewhere the files may not be here, which is said and no failure.
"""

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from inferno_actuator.doctor.findings import Finding, failure, ok, warning
from inferno_shared.errors import InfernoError, UpstreamError
from inferno_shared.service import http_client, request_with_retry

_SUBJECT: Final = "Prometheus"
_FILES: Final = {
    "ca_file": "PROMETHEUS_CA_CERT_PATH",
    "cert_file": "PROMETHEUS_CLIENT_CERT_PATH",
    "key_file": "PROMETHEUS_CLIENT_KEY_PATH",
    "token_file": "PROMETHEUS_TOKEN_PATH",
}
_EDIT: Final = (
    "kubectl edit configmap inferno-autoscaler-variantautoscaling-config -n inferno-autoscaler-system"
)
_FROM_INSIDE: Final = (
    "kubectl exec deploy/inferno-autoscaler-controller-manager -n inferno-autoscaler-system -- "
    "inferno-actuator doctor"
)
_UNKNOWN_NAME: Final = ("name resolution", "name or service not known", "nodename nor servname")
_GRANT: Final = (
    "oc adm policy add-cluster-role-to-user cluster-monitoring-view -z SERVICE_ACCOUNT (OpenShift), "
    "or correct PROMETHEUS_TOKEN_PATH"
)


def not_asked() -> Finding:
    """The finding about a Prometheus that the collector does not read."""
    return ok(_SUBJECT, "not asked: the collector reads the pods' /metrics itself (source scrape)")


async def check_prometheus(
    data: Mapping[str, str], transport: httpx.AsyncBaseTransport | None = None
) -> Finding:
    """One query that every Prometheus answers, asked as the collector would.

    Args:
        data: of the ConfigMap.
        transport: stands in for the network.
    """
    url = data.get("PROMETHEUS_BASE_URL", "").strip()
    if not url:
        return failure(_SUBJECT, "PROMETHEUS_BASE_URL is not set", _EDIT)
    files = {name: Path(data[key].strip()) for name, key in _FILES.items() if data.get(key, "").strip()}
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        words = f"{url} cannot be asked from here: there is no {', '.join(missing)}"
        return warning(_SUBJECT, words, "run the doctor where the collector's files are mounted")
    try:
        async with http_client(
            base_url=url,
            timeout_seconds=10,
            verify=_verification(data),
            headers=_headers(data),
            transport=transport,
            ca_file=files.get("ca_file"),
            cert_file=files.get("cert_file"),
            key_file=files.get("key_file"),
            token_file=files.get("token_file"),
        ) as http:
            await request_with_retry(http, "GET", "/api/v1/query?query=vector(1)")
    except UpstreamError as error:
        return _refused(url, error)
    except (InfernoError, ValueError, httpx.InvalidURL) as error:
        return failure(_SUBJECT, str(error), _EDIT)
    return ok(_SUBJECT, f"{url} answers")


def _refused(url: str, error: UpstreamError) -> Finding:
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return failure(_SUBJECT, f"{url} does not accept the token (HTTP {error.status})", _GRANT)
    if any(words in str(error).lower() for words in _UNKNOWN_NAME) and ".svc" in url:
        return warning(_SUBJECT, f"{url} is a name of the cluster, not known here", _FROM_INSIDE)
    if isinstance(error.__cause__, httpx.ConnectError) and "CERTIFICATE" in str(error.__cause__).upper():
        fix = f"put the authority of its certificate into PROMETHEUS_CA_CERT_PATH: {_EDIT}"
        return failure(_SUBJECT, str(error), fix)
    return failure(_SUBJECT, str(error), _EDIT)


def _verification(data: Mapping[str, str]) -> bool | ssl.SSLContext:
    return data.get("PROMETHEUS_TLS_INSECURE_SKIP_VERIFY", "").strip().lower() != "true"


def _headers(data: Mapping[str, str]) -> dict[str, str] | None:
    token: Any = data.get("PROMETHEUS_BEARER_TOKEN", "").strip()
    return {"authorization": f"Bearer {token}"} if token else None
