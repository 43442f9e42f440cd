"""What answers calls by TensorFlow Serving's rules, whatever the models are: SavedModels, or one that was compiled."""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from clary.serving.server.frameworks import Loaded
from clary.serving.server.frameworks.tfs import forms, handlers, rest
from clary.serving.server.frameworks.tfs.forms import BadForm, Form, NoModel
from clary.serving.server.invocation import Answer, Invocation, media_type

JSON = "application/json"

Method = Callable[[Any, Form], Form]
"""Of a model: raises `BadForm`."""


class Models(Protocol):
    """`default`: the name of the one that is meant where none is named; `paths`: name to version to folder."""

    default: str
    paths: dict[str, dict[int, Path]]

    def get(self, name: str = "", version: str = "") -> Any:
        """The newest version where none is named. Raises `NoModel`."""
        ...


def loaded(served: "Served", module: ModuleType | None) -> Loaded:
    """With the script's handlers around the models, if it has any."""
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
    """Models behind paths `/v1/models/<name>[/versions/<number>]:<method>`."""

    def __init__(self, models: Models, methods: Mapping[str, Method], default_accept: str = "") -> None:
        self._models, self._methods = models, methods
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
        if method not in self._methods:
            raise BadForm(f"Malformed request: no method {method!r}")
        return self._methods[method](self._models.get(name, version), form)

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
