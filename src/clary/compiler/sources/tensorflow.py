"""TensorFlow's models: a SavedModel of any age (`saved_model.pb` or `.pbtxt`, and `variables/`), or a frozen graph."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from clary.compiler.failures import Unsuitable
from clary.compiler.sources import Source, Wanted, files, unloadable
from clary.compiler.sources.functions import Function, source, use
from clary.compiler.sources.inputs import stripped

FRAMEWORK = "TENSORFLOW"
SUFFIXES = (".pb", ".pbtxt")
COMPANIONS = ("fingerprint.pb", "keras_metadata.pb")
"""What lies beside `saved_model.pb` and is no model."""
FOLDERS = ("variables", "assets", "assets.extra")
SIGNATURE = "serving_default"
IDLE = ("Assert", "NoOp", "Placeholder", "Const")
"""Operations that are nobody's output, whether anything reads them or not."""


def load(folder: Path, wanted: Wanted) -> Source:
    """Raises `Unsuitable`."""
    file = _only(folder)
    use(wanted.threads)
    beside = [file.parent / name for name in FOLDERS]
    wanted = stripped(wanted)
    if file.stem != "saved_model" and not beside[0].is_dir():
        return source(_frozen(file, wanted), wanted, frozenset({file}))
    own = [file, *(file.parent / name for name in COMPANIONS), *(each for place in beside for each in place.rglob("*"))]
    return source(_saved(file), wanted, frozenset(own))


def _only(folder: Path) -> Path:
    found = [file for file in files(folder) if file.suffix in SUFFIXES and file.name not in COMPANIONS]
    found = [file for file in found if not set(file.relative_to(folder).parts[:-1]) & set(FOLDERS)]
    if len(found) != 1:
        names = ", ".join(str(file.relative_to(folder)) for file in found[:5]) or "none"
        keras = any(file.suffix in (".h5", ".keras") for file in files(folder))
        hint = "; a file of Keras's needs Framework KERAS" if keras else ""
        raise Unsuitable(f"Exactly one .pb (or .pbtxt) file is allowed for TensorFlow models; there are: {names}{hint}")
    return found[0]


def _saved(file: Path) -> Function:
    named = file.with_stem("saved_model")
    if not named.exists():
        shutil.copyfile(file, named)
    try:
        loaded = tf.saved_model.load(str(file.parent))
    except Exception as error:
        # A stranger's file.
        raise unloadable("TensorFlow", error) from error
    signature = _signature(loaded.signatures)
    # Both come in any order.
    named = signature.structured_input_signature[1]
    specs = [tf.TensorSpec(named[name].shape, named[name].dtype, name) for name in sorted(named)]
    outputs = tuple(sorted(signature.structured_outputs))

    def call(*tensors: Any) -> Sequence[Any]:
        found = signature(**{spec.name: tensor for spec, tensor in zip(specs, tensors, strict=True)})
        return [found[name] for name in outputs]

    # What it holds: a function does not keep its variables alive.
    call.holds = loaded  # type: ignore[attr-defined]
    return Function(FRAMEWORK, "the SavedModel's function in TensorFlow", call, specs, outputs)


def _signature(signatures: Any) -> Any:
    if SIGNATURE in signatures:
        return signatures[SIGNATURE]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    there = ", ".join(signatures) or "none"
    raise Unsuitable(f"the SavedModel needs a signature {SIGNATURE}, or a single one; there are: {there}")


def _frozen(file: Path, wanted: Wanted) -> Function:
    graph = _read(file)
    found = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    placeholders = [node for node in graph.node if node.op in ("Placeholder", "PlaceholderWithDefault")]
    names = [each.name for each in wanted.inputs if each.name] or [node.name for node in placeholders]
    read = {name.lstrip("^").partition(":")[0] for node in graph.node for name in node.input}
    outputs = tuple(node.name for node in graph.node if node.name not in read and node.op not in IDLE)
    try:
        inside = found.graph
        given = [inside.get_tensor_by_name(f"{name}:0") for name in names]
        pruned = found.prune(given, [inside.get_tensor_by_name(f"{name}:0") for name in outputs])
    except (KeyError, ValueError) as error:
        there = ", ".join(node.name for node in placeholders[:10])
        raise Unsuitable(f"the inputs of the graph are called {there}. {' '.join(str(error).split())[:300]}") from error
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name) for tensor, name in zip(given, names, strict=True)]
    return Function(FRAMEWORK, "the frozen graph in TensorFlow", pruned, specs, outputs)


def _read(file: Path) -> Any:
    graph = tf.compat.v1.GraphDef()
    try:
        if file.suffix == ".pb":
            graph.ParseFromString(file.read_bytes())
        else:
            from google.protobuf import text_format

            text_format.Parse(file.read_text(), graph)
    except Exception as error:
        # A stranger's file.
        raise unloadable("TensorFlow", error) from error
    if not graph.node:
        raise Unsuitable(f"Unable to load provided TensorFlow model. {file.name} holds no graph")
    return graph
