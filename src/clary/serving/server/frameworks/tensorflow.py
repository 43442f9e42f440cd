"""TensorFlow: SavedModels behind TensorFlow Serving's REST contract, as AWS's image has it. See `tfs/`."""

import json
import os
import sys
import traceback
from pathlib import Path

from clary.serving.server import script
from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded
from clary.serving.server.frameworks.tfs import examples, forms, handlers, rest, saved_models
from clary.serving.server.frameworks.tfs.forms import BadForm, Form
from clary.serving.server.frameworks.tfs.saved_models import NoModel, SavedModels
from clary.serving.server.invocation import Answer, Invocation, media_type

JSON = "application/json"
METHODS = {"predict": saved_models.predict, "classify": examples.classify, "regress": examples.regress}


def load(config: Config) -> Loaded:
    models = SavedModels(Path(config.model_dir), os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME", ""))
    served = Served(models, config.default_accept)
    module = script.load_module(config.code_dir, config.program or "inference.py")
    handle = handlers.build(module, served.ask, served.path) if module else None
    if handle is None:
        return Loaded(served.plain)
    if hasattr(module, "handler"):
        served.base = rest.open_door(served.ask)

    def serve(call: Invocation) -> Answer:
        try:
            return handle(call, served.context(call))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return Answer(500, JSON, json.dumps({"error": str(error)}).encode())

    return Loaded(serve)


class Served:
    """The models behind paths `/v1/models/<name>[/versions/<number>]:<method>`."""

    def __init__(self, models: SavedModels, default_accept: str = "") -> None:
        self._models = models
        self._default_accept = default_accept
        self.base = "http://localhost"

    def plain(self, call: Invocation) -> Answer:
        """Without a script."""
        try:
            wanted = _Wanted(call)
            found = self._call(wanted.name, wanted.version, wanted.method, forms.read(call.body, call.content_type))
            return Answer(200, _accepted(call.accept or self._default_accept), json.dumps(found).encode())
        except (BadForm, NoModel) as error:
            return Answer(404 if isinstance(error, NoModel) else 400, JSON, _told(error))

    def ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        """TensorFlow Serving's own answer, JSON in and out; no body asks how the model is."""
        resource, _, method = path.removeprefix("/v1/models/").partition(":")
        name, _, version = resource.partition("/versions/")
        try:
            if not body and not method:
                return 200, self._status(name, version)
            return 200, json.dumps(self._call(name, version, method, _parsed(body))).encode()
        except (BadForm, NoModel) as error:
            return 404 if isinstance(error, NoModel) else 400, _told(error)

    def path(self, uri: str) -> str:
        return uri.removeprefix(self.base)

    def context(self, call: Invocation) -> handlers.Context:
        wanted = _Wanted(call)
        name = wanted.name or self._models.default
        versions = f"/versions/{wanted.version}" if wanted.version else ""
        return handlers.Context(
            model_name=name,
            model_version=wanted.version,
            method=wanted.method,
            rest_uri=f"{self.base}/v1/models/{name}{versions}:{wanted.method}",
            grpc_port="",
            channel=None,
            custom_attributes=wanted.attributes,
            request_content_type=call.content_type or JSON,
            accept_header=call.accept or self._default_accept or JSON,
            content_length=len(call.body),
        )

    def _call(self, name: str, version: str, method: str, form: Form) -> Form:
        if method not in METHODS:
            raise BadForm(f"Malformed request: no method {method!r}")
        return METHODS[method](self._models.get(name, version), form)

    def _status(self, name: str, version: str) -> bytes:
        self._models.get(name, version)
        numbers = [version] if version else [str(max(self._models.paths[name or self._models.default]))]
        states = [{"version": each, "state": "AVAILABLE", "status": {"error_code": "OK"}} for each in numbers]
        return json.dumps({"model_version_status": states}).encode()


class _Wanted:
    """What the custom attributes choose."""

    def __init__(self, call: Invocation) -> None:
        self.attributes = call.headers.get("x-amzn-sagemaker-custom-attributes", "")
        chosen = forms.attributes(self.attributes)
        self.name = chosen.get("tfs-model-name", "")
        self.version = chosen.get("tfs-model-version", "")
        self.method = chosen.get("tfs-method", "predict")


def _parsed(body: bytes) -> Form:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadForm(f"JSON Parse error: {error}") from error
    if not isinstance(found, dict):
        raise BadForm("Request is not an object")
    return found


def _accepted(accept: str) -> str:
    """Answers are JSON whatever is asked for; of its two names the one that was."""
    named = [media_type(each) for each in accept.split(",")]
    return next((each for each in named if each in ("application/jsonlines", JSON)), JSON)


def _told(error: Exception) -> bytes:
    return json.dumps({"error": str(error.args[0] if error.args else error)}).encode()
