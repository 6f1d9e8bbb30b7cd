"""Runs a Python module that must not outlive its parent: `python -m devcluster.kubelet.guarded PID MODULE …`.

On Linux the kernel kills this process when the parent dies, however it dies. Elsewhere a thread waits for the
end of standard input, a pipe whose other end only the parent holds.
"""

import ctypes
import os
import runpy
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def die_with(parent_pid: int) -> None:
    """Arrange to end with the parent, or end now if it is gone already."""
    if sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) == 0:
        if os.getppid() != parent_pid:
            os._exit(1)
        return
    threading.Thread(target=_end_with_input, daemon=True).start()


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(1)


def main(arguments: list[str]) -> None:
    """Run the module as `python -m` would, with the remaining arguments."""
    parent_pid, module, *rest = arguments
    die_with(int(parent_pid))
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
