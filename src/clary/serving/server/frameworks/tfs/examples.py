"""`classify` and `regress`: requests whose inputs are features, which the model gets as serialized examples."""

import base64
from typing import Any

import tensorflow as tf

from clary.serving.server.frameworks.tfs import saved_models
from clary.serving.server.frameworks.tfs.forms import BadForm, Form


def classify(model: Any, form: Form) -> Form:
    """Of each example, its classes with their scores. Raises `BadForm`."""
    found = _called(model, form)
    if not found.keys() & {"classes", "scores"}:
        raise BadForm("The signature does not classify: it has neither 'classes' nor 'scores'.")
    scores = found["scores"].tolist() if "scores" in found else None
    labels = found["classes"].tolist() if "classes" in found else None
    rows = range(len(scores if scores is not None else labels or []))
    return {"results": [_pairs(labels[row] if labels else None, scores[row] if scores else None) for row in rows]}


def regress(model: Any, form: Form) -> Form:
    """Of each example, its value. Raises `BadForm`."""
    found = _called(model, form)
    if "outputs" not in found:
        raise BadForm("The signature does not regress: it has no 'outputs'.")
    return {"results": found["outputs"].reshape(-1).tolist()}


def _called(model: Any, form: Form) -> dict[str, Any]:
    examples = form.get("examples")
    if not isinstance(examples, list) or not all(isinstance(each, dict) for each in examples) or not examples:
        raise BadForm("'examples' must be a list of objects, of at least one")
    function = saved_models.signature(model, form)
    wanted = function.structured_input_signature[1]
    shared = form.get("context") or {}
    texts = [{"b64": _text({**shared, **each})} for each in examples]
    if len(wanted) != 1:
        raise BadForm("The signature does not take examples: it has several inputs.")
    return saved_models.call(function, {next(iter(wanted)): texts}, wanted)


def _text(features: dict[str, Any]) -> str:
    """Base64, as bytes are given to a call."""
    try:
        made = tf.train.Example(
            features=tf.train.Features(feature={name: _feature(value) for name, value in features.items()})
        )
    except (TypeError, ValueError) as error:
        raise BadForm(f"An example cannot be made: {error}") from error
    return base64.b64encode(made.SerializeToString()).decode()


def _feature(value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    if all(isinstance(each, bool | int) for each in values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(each) for each in values]))
    if all(isinstance(each, int | float) for each in values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(each).encode() for each in values]))


def _pairs(labels: Any, scores: Any) -> list[list[Any]]:
    names = [label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label) for label in labels or []]
    count = len(names or scores)
    return [[names[at] if names else "", scores[at] if scores else 0.0] for at in range(count)]
