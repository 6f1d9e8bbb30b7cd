"""`python -m vllm_emulator`."""

import os
import sys

from prometheus_client import disable_created_metrics

from vllm_emulator.server import run
from vllm_emulator.settings import parse_settings

if __name__ == "__main__":
    # A choice for the whole process: without the time stamps that nobody reads there is less to scrape.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    run(parse_settings(sys.argv[1:], os.environ))
