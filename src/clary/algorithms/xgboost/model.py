"""Reading XGBoost artefacts of every age. Pickles are only ever opened here, inside the sandbox.

Three forms are found in the wild (`xgboost` below 3.1 reads all):
saved boosters (old binary, JSON, UBJSON), pickled boosters of 1.x, and pickles of 0.x whose state holds the
booster's bytes under `handle`, which the newer class cannot take over by itself.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import xgboost

from clary.algorithms.spec import UserError


def load(folder: Path) -> list[Any]:
    """All boosters below a model folder, in the order of their names: more than one is an ensemble."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    boosters = [read(file.read_bytes(), file.name) for file in files if "code" not in file.relative_to(folder).parts]
    if not boosters:
        raise UserError(f"There is no model file in {folder}")
    return boosters


def read(content: bytes, name: str) -> Any:
    """One model of any form. Raises `UserError`."""
    for reader in (_pickled, _handle, _saved):
        try:
            return reader(content)
        except Exception as error:
            last = error
    raise UserError(f"Model {name} cannot be loaded: {last}")


def _pickled(content: bytes) -> Any:
    found = pickle.loads(content)
    if not isinstance(found, xgboost.Booster):
        found = found.get_booster()
    found.num_features()
    return found


class _State:
    """Stands in for the old Booster class: keeps what the pickle held."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


class _OldBooster(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _State if (module, name) == ("xgboost.core", "Booster") else super().find_class(module, name)


def _handle(content: bytes) -> Any:
    # Protocol 0 pickles of Python 2 hold bytes as text.
    state = _OldBooster(io.BytesIO(content), encoding="latin1").load().state
    handle = state["handle"]
    return _saved(handle.encode("latin1") if isinstance(handle, str) else bytes(handle))


def _saved(content: bytes) -> Any:
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    return booster
