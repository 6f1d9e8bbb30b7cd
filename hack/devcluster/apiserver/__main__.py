"""`python -m devcluster.apiserver`: the API alone, without controllers and nodes.

Example:
    python -m devcluster.apiserver --port 0 --kubeconfig-out /tmp/kubeconfig
    KUBECONFIG=/tmp/kubeconfig kubectl get namespaces
"""

import argparse
import asyncio
from pathlib import Path

from devcluster.apiserver.app import create_api
from devcluster.apiserver.server import Server, listen, url_of, write_kubeconfig


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devcluster.apiserver", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on; 0 chooses a free one")
    parser.add_argument("--kubeconfig-out", type=Path, help="file to write a kubeconfig for this API to")
    parser.add_argument(
        "--history-size", type=int, default=10_000, help="changes per resource that a watch can go back"
    )
    parser.add_argument(
        "--bookmark-seconds", type=float, default=60, help="time between bookmarks of a watch"
    )
    return parser.parse_args()


def main() -> None:
    """Serve until a signal ends it."""
    arguments = _arguments()
    api = create_api(history_size=arguments.history_size, bookmark_seconds=arguments.bookmark_seconds)
    with listen(arguments.host, arguments.port) as listener:
        url = url_of(listener)
        if arguments.kubeconfig_out:
            write_kubeconfig(arguments.kubeconfig_out, url)
        print(url, flush=True)
        asyncio.run(Server(api, handle_signals=True).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
