"""A model of the built-in XGBoost algorithm: what AWS's container answers to csv, libsvm and recordio, scriptless."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from clary.algorithms import tables
from clary.algorithms.spec import UserError
from clary.algorithms.xgboost import serve as algorithm
from clary.serving.server import codecs
from clary.serving.server.config import Config
from clary.serving.server.invocation import Answer, Invocation, Refused, Serve, choose_accept, media_type

CSV, JSON, JSON_LINES = codecs.CSV, codecs.JSON, codecs.JSON_LINES
RECORDIO = "application/x-recordio-protobuf"
Made = TypeVar("Made")
ACCEPTS = frozenset({CSV, JSON, JSON_LINES, RECORDIO})
FEW = 4096
"""Bytes of rows that are not worth numpy's parser, nor a second thread."""


def serving(config: Config) -> Serve:
    model = algorithm.model_fn(str(config.model_dir))
    for booster in model.boosters:
        # A row is not worth a second thread, and waiting for one is what makes the slowest answers slow.
        booster.set_param({"nthread": 1})

    default_accept = config.default_accept or CSV
    form = lru_cache(len(ACCEPTS))(algorithm.form)

    def answer(body: bytes, content_type: str, accept: str) -> Answer:
        predicted = algorithm.predict_fn(rows(body, content_type), model)
        write, written = form(accept)
        return Answer(200, written, write(predicted))

    def serve(call: Invocation) -> Answer:
        if not call.body:
            return Answer(204, "", b"")
        content_type = call.content_type or CSV
        if media_type(content_type) == CSV:
            _check_width(call.body, model.features)
        accept = choose_accept(call.accept.replace("text/*", CSV), default_accept, ACCEPTS)
        return refusing(answer, call.body, content_type, accept)

    return serve


def _check_width(body: bytes, features: int) -> None:
    """Before parsing: a line of millions of columns would take a parser minutes. In the words of AWS's container."""
    end = body.find(b"\n")
    commas = body.count(b",", 0, len(body) if end < 0 else end)
    if commas and commas + 1 != features:
        raise Refused(
            400,
            f"Unable to evaluate payload provided: Feature size of csv inference data {commas + 1} is not consistent "
            f"with feature size of trained model {features}.",
        )


def rows(body: bytes, content_type: str) -> Any:
    """The rows of a body, as an array or a `DMatrix`. Raises `UserError`."""
    if len(body) > FEW and media_type(content_type) == CSV and b"," in body:
        if (found := tables.numbers(body, "float32")) is not None:
            return found
        try:
            return codecs.csv_numbers(body).astype("float32")
        except ValueError as error:
            raise algorithm.BadContent(f"Loading csv data failed with Exception: {error}") from error
    return algorithm.input_fn(body, content_type)


def refusing(function: Callable[..., Made], *given: Any) -> Made:
    """What `function` returns; the errors of the algorithm, which callers cause, become `Refused`."""
    try:
        return function(*given)
    except UserError as error:
        raise Refused(getattr(error, "status", 400), str(error)) from error
