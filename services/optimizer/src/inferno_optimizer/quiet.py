"""Keeps SCIP's own lines off stderr, where the service's JSON log lines go.

OR-Tools 9.15 makes SCIP 10 complain about every solve that can be interrupted ("SCIPcatchEvent does not
support variable or row change events"), although it can; no parameter silences it. What really fails still
arrives as an exception, with SCIP's status in it.
"""

import ctypes
from pathlib import Path

import ortools

LIBRARIES = ("*libs/libscip*.so*", "*dylibs/libscip*.dylib")


def silence_scip() -> bool:
    """Switch SCIP's error lines off for the whole process; False when its library was not found."""
    folder = Path(ortools.__file__).parent
    found = sorted(file for pattern in LIBRARIES for file in folder.glob(pattern))
    for file in found:
        set_error_printing = getattr(ctypes.CDLL(str(file)), "SCIPmessageSetErrorPrinting", None)
        if set_error_printing is not None:
            set_error_printing.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
            set_error_printing.restype = None
            set_error_printing(None, None)
            return True
    return False
