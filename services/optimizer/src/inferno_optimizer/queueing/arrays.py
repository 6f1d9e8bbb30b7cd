"""Names for the array types: shapes are said in the docstrings, R rows being R pairs."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
