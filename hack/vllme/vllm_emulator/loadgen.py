"""Sends requests to an OpenAI-compatible server at a chosen rate: `python loadgen.py --help`.

This file is only the way in, so that it can be started from its own folder; the program is in `load/`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from vllm_emulator.load.cli import main

    sys.exit(main(sys.argv[1:]))
