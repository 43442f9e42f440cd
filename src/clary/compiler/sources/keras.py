"""Keras's models: one `.h5` or `.keras` file, whatever version of Keras 2 or 3 wrote it, if Keras 3 reads it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tensorflow as tf

from clary.compiler.failures import Unsuitable
from clary.compiler.shapes import Input
from clary.compiler.sources import Source, Wanted, only, unloadable
from clary.compiler.sources.functions import Function, declared, source, use
from clary.compiler.sources.inputs import fits, stripped

FRAMEWORK = "KERAS"
SUFFIXES = (".h5", ".keras")
TURNED = (
    "DataInputConfig has the channels first, as AWS's documents have it for Keras; the compiled model takes what the "
    "model took: channels last."
)


def load(folder: Path, wanted: Wanted) -> Source:
    """Raises `Unsuitable`."""
    file = only(folder, SUFFIXES, "Keras")
    use(wanted.threads)
    try:
        # Its code runs in this sandbox and nowhere else, as that of a pickle.
        model = tf.keras.models.load_model(file, compile=False, safe_mode=False)
    except Exception as error:
        raise unloadable("Keras", error) from error
    wanted = stripped(wanted)
    function = _function(model, wanted)
    turned = _turned(function, wanted.inputs)
    notes = (TURNED,) if turned != wanted.inputs else ()
    return source(function, replace(wanted, inputs=turned), frozenset({file}), notes)


def _function(model: Any, wanted: Wanted) -> Function:
    if not getattr(model, "inputs", None):
        if not wanted.inputs:
            raise Unsuitable("the model has no shapes of its own: DataInputConfig has to name them")
        specs = [tf.TensorSpec(each.shape, tf.float32, each.name or "input") for each in wanted.inputs]
    else:
        specs = [tf.TensorSpec(each.shape, each.dtype, each.name) for each in model.inputs]

    def call(*tensors: Any) -> Sequence[Any]:
        found = model(tensors[0] if len(tensors) == 1 else _packed(model, tensors), training=False)
        return list(tf.nest.flatten(found))

    names = tuple(getattr(model, "output_names", None) or ())
    return Function(FRAMEWORK, "the Keras model as a function in TensorFlow", call, specs, names)


def _packed(model: Any, tensors: Sequence[Any]) -> Any:
    """In the form in which the model declares its inputs: a list, or a dictionary."""
    return tf.nest.pack_sequence_as(model.input, tensors)


def _turned(function: Function, wanted: tuple[Input, ...]) -> tuple[Input, ...]:
    """Pictures with their channels last."""
    if len(wanted) != len(function.specs):
        return wanted
    given = declared(function.specs, wanted)
    by_name = {each.name: each for each in given}
    return tuple(
        _last(each) if not fits(each.shape, own) and fits(_last(each).shape, own) else each
        for each, own in ((each, by_name.get(each.name, at)) for each, at in zip(wanted, given, strict=True))
    )


def _last(given: Input) -> Input:
    if len(given.shape) != 4:
        return given
    rows, channels, height, width = given.shape
    return Input(given.name, (rows, height, width, channels))
