"""A small stand-in for a Prometheus adapter's binary, where a machine has none.

Takes the same flags, refuses what the adapter would refuse, and answers external.metrics.k8s.io by its rules:
`<<.LabelMatchers>>` of a metricsQuery becomes the label selector and, by the rule's overrides, the namespace.
"""

import argparse
import json
import re
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import yaml

GROUP_VERSION = "external.metrics.k8s.io/v1beta1"
BASE = f"/apis/{GROUP_VERSION}"
METRIC = re.compile(rf"{BASE}/namespaces/([^/]+)/([^/]+)")
TIMEOUT_SECONDS = 10.0
Document = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """One of the configuration's externalRules."""

    series_query: str
    metrics_query: str
    name: str
    namespace_label: str

    def query(self, namespace: str, selector: str) -> str:
        """The query for one request."""
        matchers = [part.partition("=") for part in selector.split(",") if part]
        chosen = [f'{label}="{value}"' for label, _, value in matchers]
        return self.metrics_query.replace(
            "<<.LabelMatchers>>", ",".join([f'{self.namespace_label}="{namespace}"', *chosen])
        )


class Prometheus:
    """Asks Prometheus or Thanos with the token, over TLS that is verified."""

    def __init__(self, url: str, ca_file: str, token_file: str) -> None:
        headers = {"Authorization": f"Bearer {Path(token_file).read_text()}"}
        context = ssl.create_default_context(cafile=ca_file)
        self._client = httpx.Client(
            base_url=url, headers=headers, verify=context, trust_env=False, timeout=TIMEOUT_SECONDS
        )

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - any JSON
        """The data of an answer. Raises httpx.HTTPError."""
        return self._client.get(path, params=parameters).raise_for_status().json()["data"]


class Adapter:
    """Answers of the external metrics API."""

    def __init__(self, rules: list[Rule], prometheus: Prometheus) -> None:
        self._rules = rules
        self._prometheus = prometheus

    def answer(self, path: str) -> Document | None:
        """The answer to a path with its query; None: not found. Raises httpx.HTTPError."""
        parts = urlsplit(path)
        if parts.path == "/healthz":
            return {}
        if parts.path.rstrip("/") == BASE:
            return self._resources()
        asked = METRIC.fullmatch(parts.path)
        rule = next((rule for rule in self._rules if asked and rule.name == asked[2]), None)
        if asked is None or rule is None:
            return None
        selector = unquote(parse_qs(parts.query).get("labelSelector", [""])[0])
        found = self._prometheus.get("/api/v1/query", query=rule.query(asked[1], selector))["result"]
        items = [item(rule.name, series) for series in found]
        return {
            "kind": "ExternalMetricValueList",
            "apiVersion": GROUP_VERSION,
            "metadata": {},
            "items": items,
        }

    def _resources(self) -> Document:
        known = [rule.name for rule in self._rules if self._series(rule)]
        resource = {"singularName": "", "namespaced": True, "kind": "ExternalMetricValueList"}
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": GROUP_VERSION,
            "resources": [{"name": name, "verbs": ["get"], **resource} for name in known],
        }

    def _series(self, rule: Rule) -> list[Document]:
        found: list[Document] = self._prometheus.get("/api/v1/series", **{"match[]": rule.series_query})
        return found


def item(name: str, series: Document) -> Document:
    """One value, as a Kubernetes quantity."""
    at, value = series["value"]
    milli = round(float(value) * 1000)
    return {
        "metricName": name,
        "metricLabels": series["metric"],
        "timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "value": f"{milli}m" if milli % 1000 else str(milli // 1000),
    }


def read_rules(file: Path) -> list[Rule]:
    """The external rules. Raises ValueError, KeyError or OSError."""
    configuration = yaml.safe_load(file.read_text())
    unknown = set(configuration) - {"rules", "externalRules", "resourceRules"}
    if unknown:
        raise ValueError(f"field {', '.join(sorted(unknown))} not found in the configuration")
    rules = []
    for raw in configuration.get("externalRules") or ():
        overrides = raw["resources"]["overrides"]
        labels = [label for label, one in overrides.items() if one["resource"] == "namespace"]
        rules.append(Rule(raw["seriesQuery"], raw["metricsQuery"], raw["name"]["as"], labels[0]))
    return rules


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    for flag in (
        *("--bind-address", "--tls-cert-file", "--tls-private-key-file", "--config"),
        *("--prometheus-url", "--prometheus-ca-file", "--prometheus-token-file", "--metrics-relist-interval"),
        *("--lister-kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"),
    ):
        parser.add_argument(flag, required=True)
    parser.add_argument("--secure-port", required=True, type=int)
    parser.add_argument("--v", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    try:
        rules = read_rules(Path(arguments.config))
    except (OSError, ValueError, KeyError, yaml.YAMLError) as error:
        sys.exit(f"unable to load metrics discovery config: {error!r}")
    prometheus = Prometheus(
        arguments.prometheus_url, arguments.prometheus_ca_file, arguments.prometheus_token_file
    )
    adapter = Adapter(rules, prometheus)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                found = adapter.answer(self.path)
                status = 200 if found is not None else 404
            except httpx.HTTPError as error:
                found, status = {"kind": "Status", "code": 503, "message": str(error)}, 503
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer((arguments.bind_address, arguments.secure_port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.tls_cert_file, arguments.tls_private_key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
