"""XGBoost: the built-in algorithm's model when there is no script, else the script with XGBoost's own codecs."""

from collections.abc import Callable
from typing import Any

from clary.algorithms.spec import UserError
from clary.algorithms.xgboost import serve as algorithm
from clary.serving.server import codecs, script
from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded
from clary.serving.server.invocation import Answer, Invocation, Refused, Serve, choose_accept, media_type

CSV, JSON, JSON_LINES = codecs.CSV, codecs.JSON, codecs.JSON_LINES
RECORDIO = "application/x-recordio-protobuf"
ACCEPTS = frozenset({CSV, JSON, JSON_LINES, RECORDIO})
INLINE_BYTES = 4096
"""Bodies up to this size take about 0.1 ms and are answered without a thread."""


def load(config: Config) -> Loaded:
    program = config.program or "inference.py"
    module = script.load_module(config.code_dir, program)
    if module:
        return Loaded(script.build(module, Defaults(), config.model_dir, config.default_accept or CSV))
    if config.program:
        raise FileNotFoundError(f"{program} is not in {config.code_dir}")
    return Loaded(_algorithm(config), INLINE_BYTES)


def _algorithm(config: Config) -> Serve:
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
        rows = _refusing(_rows, call.body, call.content_type or CSV)
        predicted = _refusing(algorithm.predict_fn, rows, model)
        body, content_type = _refusing(algorithm.output_fn, predicted, accept)
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


def _rows(body: bytes, content_type: str) -> Any:
    if len(body) > INLINE_BYTES and media_type(content_type) == CSV and b"," in body:
        try:
            return codecs.csv_table(body).astype("float32")
        except ValueError as error:
            raise algorithm.BadContent(f"Loading csv data failed with Exception: {error}") from error
    return algorithm.input_fn(body, content_type)


def _refusing(function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    except UserError as error:
        raise Refused(getattr(error, "status", 400), str(error)) from error


class Defaults:
    """Script mode: the script must load the model; a `DMatrix` goes in and scores come out."""

    default_accept = CSV
    accepts = ACCEPTS

    def model_fn(self, model_dir: str) -> Any:
        raise NotImplementedError("Please provide a model_fn implementation. See documentation for model_fn.")

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        import xgboost

        raw = body.encode() if isinstance(body, str) else body
        if media_type(content_type) == JSON:
            return xgboost.DMatrix(codecs.decode(raw, JSON))
        rows = _refusing(_rows, raw, content_type)
        return rows if isinstance(rows, xgboost.DMatrix) else xgboost.DMatrix(rows)

    def predict_fn(self, data: Any, model: Any) -> Any:
        return model.predict(data)

    def output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        answer: tuple[bytes, str] = _refusing(algorithm.output_fn, prediction, accept)
        return answer
