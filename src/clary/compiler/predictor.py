"""A compiled model as its users see it: the answers that the model gave before it was compiled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler import engines
from clary.compiler.engines import Model
from clary.compiler.manifest import Manifest, read


class Predictor:
    """What `model_fn` gives for a compiled artefact. `manifest.answer` says how the engine's outputs are to be read:

    values    as they are
    vector    the only column of the first
    position  the number of the highest score
    labels    the class with the highest score; probabilities are the scores
    first     the first are classes, the second probabilities
    """

    def __init__(self, model: Model, manifest: Manifest) -> None:
        self.manifest = manifest
        self._model = model
        self._classes = np.array(manifest.classes) if manifest.classes else None

    def predict(self, *inputs: Any) -> Any:
        """One array, or a list of them where the model gives several values. Rows are the first dimension."""
        found = self.outputs(inputs)
        return found if self.manifest.answer == "values" and len(found) > 1 else found[0]

    __call__ = predict

    def predict_proba(self, *inputs: Any) -> Any:
        """Of a classifier, a column for each class. Raises `TypeError` for another model."""
        found = self.outputs(inputs)
        if self.manifest.answer not in ("labels", "first") or len(found) < 2:
            raise TypeError("the compiled model gives no probabilities")
        return found[1]

    def outputs(self, inputs: Sequence[Any]) -> list[Any]:
        """All that the original gives, in its order."""
        found = self._model(inputs)
        answer = self.manifest.answer
        if answer == "vector":
            return [found[0][:, 0]]
        if answer == "position":
            return [found[0].argmax(axis=1).astype(np.float32)]
        if answer == "labels":
            scores = found[0] if found[0].shape[1] > 1 else np.hstack([1 - found[0], found[0]])
            return [self._named(scores.argmax(axis=1)), scores]
        if answer == "first":
            return [np.asarray(found[0]), *found[1:]]
        return found

    def _named(self, positions: Any) -> Any:
        return positions if self._classes is None else self._classes[positions]


def load(folder: Path, threads: int = 1) -> Predictor:
    """Of an unpacked artefact. Raises what `manifest.read` and the engine's `load` raise."""
    manifest = read(folder)
    return Predictor(engines.load(folder, manifest, threads), manifest)
