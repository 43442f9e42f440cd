"""TensorFlow's functions, whatever file they came from: called as they are, and as the ONNX graph that tf2onnx makes.

`tensorflow.py` and `keras.py` call it. It runs in the runtime environment of TensorFlow, which has ONNX Runtime, too.
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from clary.compiler.engines import Model
from clary.compiler.failures import Unsuitable
from clary.compiler.manifest import Manifest
from clary.compiler.shapes import Input
from clary.compiler.sources import Source, Wanted, networks
from clary.compiler.sources.inputs import Given, matched

DTYPES = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool")
OPSET = 18
"""Of the graphs: the newest that tf2onnx knows."""


@dataclass(frozen=True, slots=True)
class Function:
    """What was read. `call` takes tensors in the order of `specs`, and gives them in the order of `outputs`."""

    framework: str
    called: str
    call: Callable[..., Sequence[Any]]
    specs: Sequence[Any]
    """A `TensorSpec` of each input, with its name."""
    outputs: tuple[str, ...] = ()
    """Their names, where they have any."""


def use(threads: int) -> None:
    """Before anything is loaded: TensorFlow takes no other number after its first computation."""
    # A process that reads several models, as those of tests, has had it.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def source(function: Function, wanted: Wanted, files: frozenset[Path], notes: tuple[str, ...] = ()) -> Source:
    """Raises `Unsuitable`."""
    if wanted.device != "cpu":
        raise Unsuitable("TensorFlow models are compiled for the CPU only")
    dtypes = tuple(_dtype(spec) for spec in function.specs)
    inputs, any_rows = matched(declared(function.specs, wanted.inputs), wanted.inputs)
    if not inputs:
        raise Unsuitable("the model has no inputs")
    sample = networks.sampler(inputs, dtypes)
    any_rows = any_rows and networks.takes_any_rows(_runner(_traced(function, inputs, True)), sample)
    traced = _traced(function, inputs, any_rows)
    original = _runner(traced)
    networks.check(original, inputs, sample)
    return Source(
        original=original,
        call=original,
        called=f"{function.called}, {wanted.threads} threads",
        sample=sample,
        candidates=networks.candidates(_Exported(function, traced, inputs, dtypes), wanted),
        files=files,
        inputs=() if wanted.inputs else inputs,
        rows=inputs[0].shape[0],
        any_rows=any_rows,
        batch=networks.batch(inputs),
        notes=notes,
    )


def declared(specs: Sequence[Any], wanted: Sequence[Input]) -> list[Given]:
    """A shape of which nothing is known is the one that is wanted."""
    ranks = [len(each.shape) for each in wanted] or [1] * len(specs)
    return [
        Given(spec.name, [None] * rank if spec.shape.rank is None else spec.shape.as_list())
        for spec, rank in zip(specs, [*ranks, *[1] * len(specs)], strict=False)
    ]


def _dtype(spec: Any) -> str:
    if spec.dtype.name not in DTYPES:
        raise Unsuitable(f"Input {spec.name} is a tensor of {spec.dtype.name}, which is not supported")
    return str(spec.dtype.name)


def _traced(function: Function, inputs: Sequence[Input], any_rows: bool) -> Any:
    """With the shapes of `inputs`, and their number of rows left open."""
    specs = [
        tf.TensorSpec([None if any_rows else each.shape[0], *each.shape[1:]], spec.dtype, name=f"input{number}")
        for number, (each, spec) in enumerate(zip(inputs, function.specs, strict=True))
    ]
    return tf.function(function.call, input_signature=specs, autograph=False)


def _runner(traced: Any) -> Model:
    made: list[Any] = []

    def call(inputs: Sequence[Any]) -> list[Any]:
        if not made:
            made.append(traced.get_concrete_function())
        (concrete,) = made
        found = concrete(*(tf.constant(x, spec.dtype) for x, spec in zip(inputs, concrete.inputs, strict=False)))
        return [tensor.numpy() for tensor in found]

    return call


class _Exported:
    """A function as an ONNX graph."""

    def __init__(self, function: Function, traced: Any, inputs: tuple[Input, ...], dtypes: tuple[str, ...]) -> None:
        self._function, self._traced, self.inputs, self.dtypes = function, traced, inputs, dtypes

    def write(self, file: Path) -> None:
        import onnx

        made = _converted(self._traced)
        held = {value.name.partition(":")[0]: value for value in made.graph.input}
        names = [f"input{number}" for number in range(len(self.inputs))]
        if unused := [each.name for each, name in zip(self.inputs, names, strict=True) if name not in held]:
            raise Unsuitable(f"the outputs of the model do not depend on its inputs {', '.join(unused)}")
        del made.graph.input[:]
        made.graph.input.extend(held[name] for name in names)
        onnx.save(made, file)

    def manifest(self, options: dict[str, Any], name: str) -> Manifest:
        return Manifest(
            engine="onnx",
            framework=self._function.framework,
            files=(name,),
            names=tuple(each.name for each in self.inputs),
            shapes=tuple(each.shape for each in self.inputs),
            dtypes=self.dtypes,
            outputs=self._function.outputs,
            options=options,
        )


def _converted(traced: Any) -> Any:
    import onnx
    import tf2onnx

    # What it cannot do it writes as well as answers.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    try:
        made, _ = tf2onnx.convert.from_function(traced, input_signature=traced.input_signature, opset=OPSET)
    except Exception as error:
        # A converter with errors of its own for hundreds of operators.
        text = " ".join(str(error).split())
        raise Unsuitable(f"tf2onnx cannot convert the model: {type(error).__name__}: {text[:300]}") from error
    foreign = sorted({node.op_type for node in made.graph.node if not onnx.defs.has(node.op_type, node.domain)})
    if foreign:
        raise Unsuitable(f"tf2onnx cannot convert the model, operators are not implemented: {{{', '.join(foreign)}}}")
    return made
