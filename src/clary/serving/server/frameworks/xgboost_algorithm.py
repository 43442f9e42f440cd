"""A model of the built-in XGBoost algorithm: what AWS's container answers to csv, libsvm and recordio, scriptless."""

from collections.abc import Callable
from typing import Any

from clary.algorithms import tables
from clary.algorithms.spec import UserError
from clary.algorithms.xgboost import serve as algorithm
from clary.serving.server import codecs
from clary.serving.server.config import Config
from clary.serving.server.invocation import Answer, Invocation, Refused, Serve, choose_accept, media_type

CSV, JSON, JSON_LINES = codecs.CSV, codecs.JSON, codecs.JSON_LINES
RECORDIO = "application/x-recordio-protobuf"
ACCEPTS = frozenset({CSV, JSON, JSON_LINES, RECORDIO})
INLINE_BYTES = 4096
"""Bodies up to this size take about 0.1 ms and are answered without a thread."""


def serving(config: Config) -> Serve:
    model = algorithm.model_fn(str(config.model_dir))
    for booster in model.boosters:
        # A row is not worth a second thread, and waiting for one is what makes the slowest answers slow.
        booster.set_param({"nthread": 1})

    def serve(call: Invocation) -> Answer:
        if not call.body:
            return Answer(204, "", b"")
        if media_type(call.content_type or CSV) == CSV:
            _check_width(call.body, model.features)
        accept = choose_accept(call.accept.replace("text/*", CSV), config.default_accept or CSV, ACCEPTS)
        predicted = refusing(algorithm.predict_fn, rows(call.body, call.content_type or CSV), model)
        body, content_type = refusing(algorithm.output_fn, predicted, accept)
        return Answer(200, content_type, body)

    return serve


def _check_width(body: bytes, features: int) -> None:
    """Before parsing: a line of millions of columns would take a parser minutes. In the words of AWS's container."""
    commas = body.partition(b"\n")[0].count(b",")
    if commas and commas + 1 != features:
        raise Refused(
            400,
            f"Unable to evaluate payload provided: Feature size of csv inference data {commas + 1} is not consistent "
            f"with feature size of trained model {features}.",
        )


def rows(body: bytes, content_type: str) -> Any:
    """The rows of a body, as an array or a `DMatrix`. Raises `Refused`."""
    return refusing(_rows, body, content_type)


def _rows(body: bytes, content_type: str) -> Any:
    if len(body) > INLINE_BYTES and media_type(content_type) == CSV and b"," in body:
        if (found := tables.numbers(body, "float32")) is not None:
            return found
        try:
            return codecs.csv_numbers(body).astype("float32")
        except ValueError as error:
            raise algorithm.BadContent(f"Loading csv data failed with Exception: {error}") from error
    return algorithm.input_fn(body, content_type)


def refusing(function: Callable[..., Any], *given: Any) -> Any:
    """What `function` returns; the errors of the algorithm that a caller causes become `Refused`."""
    try:
        return function(*given)
    except UserError as error:
        raise Refused(getattr(error, "status", 400), str(error)) from error
