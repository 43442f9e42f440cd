"""A booster's predictions for dense rows by way of XGBoost's C interface; `serve.py` uses it for each call of a model.

`Booster.inplace_predict` makes the same call, but takes four times as long for a row: it looks for every kind of table
that rows may be, and has the library build a proxy matrix each time, which reads the cgroup's files. Here a thread
keeps its proxy.
"""

import ctypes
import json
import math
import threading
from typing import Any

import numpy as np
import xgboost
from xgboost.libpath import find_lib_path

from clary.algorithms.spec import Array

LIBRARY = ctypes.CDLL(find_lib_path()[0])
LIBRARY.XGBGetLastError.restype = ctypes.c_char_p
Lengths, Floats = ctypes.POINTER(ctypes.c_uint64), ctypes.POINTER(ctypes.c_float)
ROWS = b'{"data": [%d, true], "shape": [%d, %d], "typestr": "<f4", "version": 3}'


class Inplace:
    """Of one booster, by its trees before round `end`; 0: by all."""

    def __init__(self, booster: Any, end: int) -> None:
        self._booster = booster
        options = {"type": 0, "training": False, "iteration_begin": 0, "iteration_end": end}
        self._options = json.dumps(options | {"missing": math.nan, "strict_shape": False, "cache_id": 0}).encode()

    def predict(self, rows: Array) -> Array:
        """One prediction a row of a table, read-only. Raises `XGBoostError`."""
        rows = np.ascontiguousarray(rows, np.float32)
        lengths, dimensions, found = Lengths(), ctypes.c_uint64(), Floats()
        _check(
            LIBRARY.XGBoosterPredictFromDense(
                self._booster.handle,
                ROWS % (rows.ctypes.data, *rows.shape),
                self._options,
                _proxy().handle,
                ctypes.byref(lengths),
                ctypes.byref(dimensions),
                ctypes.byref(found),
            )
        )
        shape = lengths[: dimensions.value]
        # A copy: the thread's next prediction is written to the same memory.
        return np.frombuffer(ctypes.string_at(found, math.prod(shape) * 4), np.float32).reshape(shape)


class _Proxy:
    def __init__(self) -> None:
        self.handle = ctypes.c_void_p()
        _check(LIBRARY.XGProxyDMatrixCreate(ctypes.byref(self.handle)))

    def __del__(self) -> None:
        LIBRARY.XGDMatrixFree(self.handle)


_own = threading.local()


def _proxy() -> _Proxy:
    """This thread's: a prediction writes to it."""
    try:
        found: _Proxy = _own.proxy
    except AttributeError:
        found = _own.proxy = _Proxy()
    return found


def _check(status: int) -> None:
    if status:
        raise xgboost.core.XGBoostError(LIBRARY.XGBGetLastError().decode())
