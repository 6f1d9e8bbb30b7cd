"""A stand-in for a metrics adapter: external.metrics.k8s.io over TLS with the values that a test gives it."""

import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from controlplane.certificates import Pair

GROUP_VERSION = "external.metrics.k8s.io/v1beta1"
METRIC = "inferno_desired_replicas"


class MetricsBackend:
    """Values by variant; a variant without values has no series."""

    def __init__(self) -> None:
        self.values: dict[str, Sequence[str]] = {}
        self.port = 0

    def answer(self, path: str) -> dict[str, Any] | None:
        """The API's answer to a path with its query; None: not found."""
        parts = urlsplit(path)
        if parts.path.rstrip("/") == f"/apis/{GROUP_VERSION}":
            resource = {
                "name": METRIC,
                "singularName": "",
                "namespaced": True,
                "kind": "ExternalMetricValueList",
                "verbs": ["get"],
            }
            return {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": GROUP_VERSION,
                "resources": [resource],
            }
        if not parts.path.endswith(f"/{METRIC}"):
            return None
        selector = parse_qs(parts.query).get("labelSelector", [""])[0]
        chosen = selector.removeprefix("variant_name=") if selector else None
        items = [
            {
                "metricName": METRIC,
                "metricLabels": {"variant_name": variant},
                "timestamp": "2025-09-04T18:30:31Z",
                "value": value,
            }
            for variant, values in self.values.items()
            if chosen in {None, variant}
            for value in values
        ]
        return {
            "kind": "ExternalMetricValueList",
            "apiVersion": GROUP_VERSION,
            "metadata": {},
            "items": items,
        }


@contextmanager
def running_backend(certificate: Pair) -> Iterator[MetricsBackend]:
    """Serve on a free port of loopback until the context ends."""
    backend = MetricsBackend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = backend.answer(self.path)
            content = json.dumps(found or {}).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    backend.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
