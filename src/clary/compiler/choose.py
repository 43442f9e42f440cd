"""Compile in every way that a source offers, leave out what answers differently, and take the fastest."""

import logging
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clary.compiler import engines, manifest, report
from clary.compiler.agree import Agreement, compare
from clary.compiler.failures import Disagreement, Unsuitable
from clary.compiler.measure import measure
from clary.compiler.predictor import Predictor
from clary.compiler.report import Report, Tried
from clary.compiler.sources import Candidate, Source, Wanted

SEED = 20

logger = logging.getLogger(__name__)


def choose(source: Source, wanted: Wanted, config: Mapping[str, Any], model: Path, rows: int) -> dict[str, Any]:
    """Puts the best candidate's files into `model`; answers the report. Raises `Unsuitable` or `Disagreement`."""
    with tempfile.TemporaryDirectory() as work:
        made = [_make(source, wanted, each, Path(work, str(n)), rows) for n, each in enumerate(source.candidates)]
        usable = [each for each in made if each.predictor]
        if not usable:
            raise _none([each.tried for each in made])
        _measure(source, usable)
        best = max(usable, key=lambda each: each.tried.gain)
        shutil.copytree(best.folder, model, dirs_exist_ok=True)
    assert best.predictor
    single = best.tried.measured[0]
    manifest.write(model, replace(best.predictor.manifest, seconds=single.compiled / single.rows))
    whole = Report(
        framework=config["framework"],
        original=source.called,
        target=config["target"],
        dtype=wanted.dtype,
        chosen=best.tried,
        tried=tuple(each.tried for each in made),
        notes=(*source.notes, *config.get("notes", ())),
    )
    for line in report.lines(whole):
        logger.info("%s", line)
    return report.as_json(whole)


@dataclass(slots=True)
class _Made:
    """A candidate as far as it came. `predictor`: where it answers as the original does."""

    folder: Path
    tried: Tried
    predictor: Predictor | None = None


def _make(source: Source, wanted: Wanted, candidate: Candidate, folder: Path, rows: int) -> _Made:
    folder.mkdir()
    begun = time.monotonic()
    try:
        made = candidate.build(folder)
        compiled = Predictor(engines.load(folder, made, wanted.threads), made)
        seconds = time.monotonic() - begun
        agreement = _agreement(source, compiled, wanted.dtype, rows)
    except Unsuitable as error:
        return _Made(folder, Tried(candidate.name, why=str(error), seconds=time.monotonic() - begun))
    except Exception as error:
        # An engine that trips over what it has made itself: this way is not open.
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return _Made(folder, Tried(candidate.name, why=why, seconds=time.monotonic() - begun))
    if not agreement.holds:
        why = f"it answers differently: {agreement.why}"
        return _Made(folder, Tried(candidate.name, agreement, why=why, seconds=seconds))
    return _Made(folder, Tried(candidate.name, agreement, seconds=seconds), compiled)


def _measure(source: Source, usable: Sequence[_Made]) -> None:
    calls = [partial(_answer, each.predictor) for each in usable if each.predictor]
    for count in (1, source.batch) if source.any_rows else (source.rows,):
        for each, measured in zip(usable, measure(source.call, calls, _sample(source, count), count), strict=True):
            each.tried = replace(each.tried, measured=(*each.tried.measured, measured))


def _answer(predictor: Predictor, inputs: Sequence[Any]) -> list[Any]:
    return [predictor.predict(*inputs)]


def _agreement(source: Source, compiled: Predictor, dtype: str, rows: int) -> Agreement:
    """Over as many rows as asked for, in calls of one row, of several and of all; or of the number that it takes."""
    sizes = (1, 7, max(1, min(rows, 8 * source.batch) - 8)) if source.any_rows else (source.rows,) * 3
    samples = [_sample(source, size, seed) for seed, size in enumerate(sizes)]
    found = [compare(source.original(x), compiled.outputs(x), dtype) for x in samples]
    worst = next((each for each in found if not each.holds), found[-1])
    return Agreement(
        sum(each.rows for each in found),
        max(each.largest for each in found),
        min(each.same for each in found),
        worst.why,
    )


def _sample(source: Source, rows: int, seed: int = 0) -> Sequence[Any]:
    return source.sample(rows, np.random.default_rng(SEED + seed))


def _none(tried: Sequence[Tried]) -> Exception:
    reasons = "; ".join(f"{each.name}: {each.why}" if len(tried) > 1 else each.why for each in tried)
    differs = any(each.agreement for each in tried)
    if differs:
        return Disagreement(f"The compiled model does not answer as the original does. {reasons}")
    return Unsuitable(reasons or "there is no way to compile this model for this target")
