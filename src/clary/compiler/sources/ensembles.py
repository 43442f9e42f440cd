"""What sources of trees share: the candidate for Treelite's models, and rows that reach their splits."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler.engines import forest
from clary.compiler.engines.trees import CATEGORY, Trees
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest
from clary.compiler.shapes import Input
from clary.compiler.sources import MISSING_SHARE, Candidate, Wanted

NAME = "compiled trees"


def checked(wanted: Wanted, features: int) -> tuple[Input, ...]:
    """DataInputConfig of a model of rows, found where it was not given. Raises `Unsuitable` for another width."""
    if wanted.dtype != "float32":
        raise Unsuitable(
            f"CompilerOptions: dtype {wanted.dtype} is for neural networks; a tree ensemble has no weights to convert"
        )
    if not wanted.inputs:
        return (Input("input", (1, features)),)
    if len(wanted.inputs) != 1:
        raise Unsuitable(f"the model has one input, and DataInputConfig names {len(wanted.inputs)}")
    given = wanted.inputs[0]
    if len(given.shape) != 2 or given.shape[1] != features:
        what = f"Input {given.name}" if given.name else "The input"
        raise Unsuitable(f"{what} has wrong shape in DataInputConfig: {list(given.shape)} instead of [1, {features}]")
    return wanted.inputs


def candidate(trees: Trees, framework: str, inputs: tuple[Input, ...], answer: str, classes: Sequence[Any] = ()) -> Any:
    def build(folder: Path) -> Manifest:
        options = forest.build(trees, folder)
        return Manifest(
            engine="trees",
            framework=framework,
            files=(forest.NATIVE, forest.PORTABLE, forest.PARAMS, forest.SOURCE),
            names=tuple(each.name for each in inputs),
            shapes=tuple(each.shape for each in inputs),
            dtypes=(options["input"],),
            answer=answer,
            classes=tuple(classes),
            options=options,
        )

    return Candidate(NAME, build)


def sampler(trees: Trees, original: Callable[[Sequence[Any]], Any]) -> Callable[[int, Any], Sequence[Any]]:
    """Rows whose numbers lie at the model's edges and around them, with missing ones where the original takes them."""
    nodes = trees.arrays["nodes"]
    is_split = ~np.isnan(nodes["edge"])
    flags, features = nodes["feature"][is_split], nodes["feature"][is_split] & 0x3FFFFFFF
    edges = nodes["edge"][is_split].astype(float)
    categories = _categories(trees, flags, features, edges)
    by_feature = {int(feature): edges[features == feature] for feature in np.unique(features)}
    bears = _bears_missing(trees, original)

    def sample(rows: int, random: Any) -> Sequence[Any]:
        x = random.normal(size=(rows, trees.features))
        for feature, found in by_feature.items():
            if feature in categories:
                x[:, feature] = random.integers(0, categories[feature] + 2, rows)
                continue
            spread = float(np.std(found[np.isfinite(found)])) if np.isfinite(found).any() else 0.0
            noise = random.normal(size=rows) * random.choice([0.0, 1e-6, 0.1, 1.0], rows) * (spread or 1.0)
            x[:, feature] = np.nan_to_num(random.choice(found, rows)) + noise
        if bears:
            x[random.random(x.shape) < MISSING_SHARE] = np.nan
        return [x.astype(trees.input if trees.input == "double" else "float32")]

    return sample


def _categories(trees: Trees, flags: Any, features: Any, edges: Any) -> dict[int, int]:
    """Of features that are categories, the largest that any split knows."""
    sets, found = trees.arrays["sets"], dict[int, int]()
    for number in np.flatnonzero((flags & CATEGORY) != 0):
        words = int(sets[2 * int(edges[number]) + 1])
        feature = int(features[number])
        found[feature] = max(found.get(feature, 0), 32 * words)
    return found


def _bears_missing(trees: Trees, original: Callable[[Sequence[Any]], Any]) -> bool:
    try:
        original([np.full((1, trees.features), np.nan)])
    except Exception:
        # Whatever it raises, it is no model for rows with gaps.
        return False
    return True
