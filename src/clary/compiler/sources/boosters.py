"""XGBoost's saved models, of every age, and LightGBM's text files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler.engines.trees import Trees, flatten
from clary.compiler.failures import Unsuitable
from clary.compiler.sources import Source, Wanted, ensembles, files, unloadable

FRAMEWORK = "XGBOOST"
POSITIONS = frozenset({"multi:softmax"})
"""Objectives of XGBoost whose prediction is the number of a class."""


def load(folder: Path, wanted: Wanted) -> Source:
    """Raises `Unsuitable`."""
    found = files(folder)
    if len(found) != 1:
        names = ", ".join(str(file.relative_to(folder)) for file in found[:5]) or "none"
        raise Unsuitable(f"Exactly one model file is allowed for XGBoost models, and the input model holds: {names}")
    try:
        is_lightgbm = found[0].read_bytes()[:5] == b"tree\n"
        booster = _lightgbm(found[0]) if is_lightgbm else _xgboost(found[0])
    except Exception as error:
        # A stranger's file: any library may trip over it in any way.
        raise unloadable("LightGBM or XGBoost", error) from error
    return lightgbm_source(booster, found[0], wanted) if is_lightgbm else xgboost_source(booster, found[0], wanted)


def _lightgbm(file: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(file))


def _xgboost(file: Path) -> Any:
    from clary.algorithms.xgboost.model import read

    return read(file.read_bytes(), file.name)


def xgboost_source(booster: Any, file: Path, wanted: Wanted) -> Source:
    trees, until, objective = xgboost_trees(booster)
    booster.set_param({"nthread": 1})

    def call(inputs: Sequence[Any]) -> list[Any]:
        return [booster.inplace_predict(inputs[0], iteration_range=until, validate_features=False)]

    def measured(inputs: Sequence[Any]) -> list[Any]:
        # One thread is the faster for a row, and as many as there are for many rows.
        booster.set_param({"nthread": 1 if len(inputs[0]) == 1 else wanted.threads})
        return call(inputs)

    inputs = ensembles.checked(wanted, trees.features)
    answer = "position" if objective in POSITIONS else "vector" if trees.outputs == 1 else "values"
    return Source(
        original=call,
        call=measured,
        called="XGBoost's inplace_predict",
        sample=ensembles.sampler(trees, call),
        candidates=(ensembles.candidate(trees, FRAMEWORK, inputs, answer),),
        files=frozenset({file}),
        inputs=() if wanted.inputs else inputs,
    )


def xgboost_trees(booster: Any) -> tuple[Trees, tuple[int, int], str]:
    """With the range of rounds that are used, and the objective. Raises `Unsuitable`."""
    import json

    import treelite

    learner = json.loads(booster.save_config())["learner"]
    if learner["gradient_booster"]["name"] == "gblinear":
        raise Unsuitable("operators are not implemented: {'gblinear'}")
    best = booster.attr("best_iteration")
    until = (0, int(best) + 1) if best else (0, 0)
    used = booster[: until[1]] if best else booster
    try:
        model = treelite.frontend.from_xgboost(used)
    except treelite.TreeliteError as error:
        raise Unsuitable(f"operators are not implemented: {{{str(error)[:300]!r}}}") from error
    return flatten(model, single=True, value="float32"), until, learner["objective"]["name"]


def lightgbm_source(booster: Any, file: Path, wanted: Wanted) -> Source:
    trees = lightgbm_trees(booster)

    def call(inputs: Sequence[Any]) -> list[Any]:
        return [np.asarray(booster.predict(inputs[0], num_threads=1))]

    def measured(inputs: Sequence[Any]) -> list[Any]:
        return [booster.predict(inputs[0], num_threads=1 if len(inputs[0]) == 1 else wanted.threads)]

    inputs = ensembles.checked(wanted, trees.features)
    answer = "vector" if trees.outputs == 1 else "values"
    return Source(
        original=call,
        call=measured,
        called="LightGBM's predict",
        sample=ensembles.sampler(trees, call),
        candidates=(ensembles.candidate(trees, FRAMEWORK, inputs, answer),),
        files=frozenset({file}),
        inputs=() if wanted.inputs else inputs,
    )


def lightgbm_trees(booster: Any) -> Trees:
    """Raises `Unsuitable`."""
    import treelite

    try:
        model = treelite.frontend.from_lightgbm(booster)
    except treelite.TreeliteError as error:
        raise Unsuitable(f"operators are not implemented: {{{str(error)[:300]!r}}}") from error
    return flatten(model, single=False, value="float64")
