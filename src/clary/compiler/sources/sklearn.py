"""scikit-learn's estimators, as joblib or pickle wrote them: ensembles of trees become native code, others ONNX graphs.

Wrappers of XGBoost and LightGBM are estimators, too.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler.engines.trees import Trees, flatten
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest
from clary.compiler.shapes import Input
from clary.compiler.sources import Candidate, Source, Wanted, boosters, ensembles, networks, only, unloadable

FRAMEWORK = "SKLEARN"
SUFFIXES = (".joblib", ".pkl", ".pickle")
SINGLE = ("RandomForest", "ExtraTrees", "GradientBoosting")
"""Beginnings of the names of estimators that take rows as floats, and compare them with doubles."""
DOUBLE = ("HistGradientBoosting",)

logger = logging.getLogger(__name__)


def load(folder: Path, wanted: Wanted) -> Source:
    """Raises `Unsuitable`."""
    file = only(folder, SUFFIXES, "scikit-learn")
    estimator = _read(file, folder)
    trees = _trees(estimator)
    original = _whole(estimator)
    features = trees.features if trees else getattr(estimator, "n_features_in_", None)
    if features is None:
        raise Unsuitable("the estimator does not say how many features it takes: it has not been fitted")
    if trees:
        inputs = ensembles.checked(wanted, features)
        sample = ensembles.sampler(trees, original)
        candidates: tuple[Candidate, ...] = (_of_trees(trees, estimator, inputs),)
    else:
        inputs = ensembles.checked(Wanted(wanted.inputs), features)
        sample = _normal(features)
        candidates = networks.candidates(_Exported(estimator, inputs), wanted)
    return Source(
        original=original,
        call=lambda found: [estimator.predict(found[0])],
        called=f"{type(estimator).__name__}.predict",
        sample=sample,
        candidates=candidates,
        files=frozenset({file}),
        inputs=() if wanted.inputs else inputs,
    )


def _read(file: Path, folder: Path) -> Any:
    import joblib

    # Where the user's own classes are.
    sys.path[:0] = [str(folder), str(folder / "code")]
    try:
        found = joblib.load(file)
    except Exception as error:
        # Unpickling runs a stranger's code.
        raise unloadable("scikit-learn", error) from error
    if not hasattr(found, "predict"):
        raise Unsuitable(f"the model is a {type(found).__name__}, which has no predict")
    return found


def _whole(estimator: Any) -> Any:
    has_classes = hasattr(estimator, "classes_") and hasattr(estimator, "predict_proba")

    def outputs(inputs: Sequence[Any]) -> list[Any]:
        found = [np.asarray(estimator.predict(inputs[0]))]
        return [*found, np.asarray(estimator.predict_proba(inputs[0]))] if has_classes else found

    return outputs


def _normal(features: int) -> Any:
    return lambda rows, random: [random.normal(size=(rows, features)).astype(np.float32)]


def _trees(estimator: Any) -> Trees | None:
    """`None` for an estimator of another kind. Raises `Unsuitable`."""
    name = type(estimator).__name__
    if hasattr(estimator, "get_booster"):
        return boosters.xgboost_trees(estimator.get_booster())[0]
    if hasattr(estimator, "booster_"):
        return boosters.lightgbm_trees(estimator.booster_)
    if not name.startswith((*SINGLE, *DOUBLE)):
        return None
    import treelite.sklearn

    try:
        model = treelite.sklearn.import_model(estimator)
        return flatten(model, single=name.startswith(SINGLE), value="float64")
    except (treelite.TreeliteError, NotImplementedError, AttributeError, ValueError, Unsuitable) as error:
        logger.info("Not compiled as trees: %s", error)
        return None


def _of_trees(trees: Trees, estimator: Any, inputs: tuple[Input, ...]) -> Any:
    classes = classes_of(estimator)
    answer = "labels" if classes else "vector" if trees.outputs == 1 else "values"
    return ensembles.candidate(trees, FRAMEWORK, inputs, answer, classes)


def classes_of(estimator: Any) -> list[Any]:
    found = getattr(estimator, "classes_", None)
    return [] if found is None else np.asarray(found).tolist()


class _Exported:
    """An estimator as an ONNX graph."""

    framework = FRAMEWORK

    def __init__(self, estimator: Any, inputs: tuple[Input, ...]) -> None:
        self._estimator, self.inputs = estimator, inputs
        self.dtypes: tuple[str, ...] = ("float32",)

    def write(self, file: Path) -> None:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType

        width = self.inputs[0].shape[1]
        options = {"zipmap": False} if hasattr(self._estimator, "classes_") else None
        try:
            graph = to_onnx(
                self._estimator,
                initial_types=[("input", FloatTensorType([None, width]))],
                options={id(self._estimator): options} if options else None,
            )
        except Exception as error:
            # The converters of hundreds of estimators raise whatever they like.
            text = " ".join(str(error).split())
            raise Unsuitable(
                f"TVM cannot convert the model, operators are not implemented: {{{type(self._estimator).__name__!r}}}. "
                f"{text[:300]}"
            ) from error
        file.write_bytes(graph.SerializeToString())

    def manifest(self, options: dict[str, Any], name: str) -> Manifest:
        has_classes = hasattr(self._estimator, "classes_")
        return Manifest(
            engine="onnx",
            framework=self.framework,
            files=(name,),
            names=("input",),
            shapes=tuple(each.shape for each in self.inputs),
            dtypes=self.dtypes,
            answer="first" if has_classes else "vector",
            classes=tuple(classes_of(self._estimator)),
            options=options,
        )
