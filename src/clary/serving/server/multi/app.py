"""One worker of a multi-model server: AWS's paths for loading, listing, unloading and calling models."""

import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from clary.serving.server.app import App, Work, call
from clary.serving.server.config import Config
from clary.serving.server.invocation import Answer, Invocation, text
from clary.serving.server.multi.libraries import import_libraries
from clary.serving.server.multi.models import BadUrl, Limits, Model, Models, NoMemory, resident
from clary.serving.server.multi.register import Register
from clary.serving.server.requests import Request

PAGE = 100
UNLOADED = "x-clary-model-unloaded"
"""Header of a 404 to a call that no model has seen."""
PREFIX, SUFFIX = "/models/", "/invoke"


class MultiModelApp(App):
    """Beside `/ping`; a call without a model's name is not found."""

    def __init__(self, config: Config, register: Path) -> None:
        super().__init__(_no_model, workers=config.workers, max_body=config.max_body)
        self._register = Register(register)
        self._models = Models(config, self._register, Limits(config.models_bytes // config.workers, resident))
        self._loader = ThreadPoolExecutor(1, "loader")
        self._loader.submit(import_libraries, config)

    def take(self, request: Request) -> Answer | Work:
        path = request.path
        if path.startswith(PREFIX) and path.endswith(SUFFIX) and request.method == "POST":
            return self._call(unquote(path[len(PREFIX) : -len(SUFFIX)]), request)
        if path == "/models" or path.startswith(PREFIX):
            return self._manage(unquote(path[len(PREFIX) :]), request)
        if path == "/invocations":
            return text(404, "this server has several models: call /models/<name>/invoke")
        return super().take(request)

    def _call(self, name: str, request: Request) -> Answer | Work:
        if model := self._models.find(name):
            return call(model.serve, request)
        entry = self._register.find(name)
        if entry is None:
            return replace(text(404, f"model {name} is not loaded"), headers={UNLOADED: "1"})
        # Another worker was told to load it, or this one before it was replaced.
        return Work(partial(self._loaded_and_called, name, entry["modelUrl"], request), self._loader)

    def _loaded_and_called(self, name: str, url: str, request: Request) -> Answer | Work:
        found = self._loaded(name, url)
        return found if isinstance(found, Answer) else call(found.serve, request)

    def _manage(self, name: str, request: Request) -> Answer | Work:
        match request.method, bool(name):
            case "POST", False:
                return Work(partial(self._add, request.body), self._loader)
            case "GET", False:
                return self._list(parse_qs(request.query))
            case "GET", True:
                entry = self._register.find(name)
                return _json(entry) if entry else text(404, f"model {name} is not loaded")
            case "DELETE", True:
                return Work(partial(self._remove, name), self._loader)
        return text(405, "method not allowed")

    def _add(self, body: bytes) -> Answer:
        try:
            wanted = json.loads(body)
            name, url = str(wanted["model_name"]), str(wanted["url"])
        except (ValueError, KeyError, TypeError):
            return text(400, "expected model_name and url")
        if self._register.find(name):
            return text(409, f"model {name} is loaded already")
        found = self._loaded(name, url)
        return found if isinstance(found, Answer) else _json({"status": f"model {name} is loaded"})

    def _remove(self, name: str) -> Answer:
        if not self._register.remove(name):
            return text(404, f"model {name} is not loaded")
        self._models.drop(name)
        return _json({"status": f"model {name} is unloaded"})

    def _list(self, query: dict[str, list[str]]) -> Answer:
        after = query.get("next_page_token", [""])[0]
        rest = [name for name in self._register.names() if name > after]
        more = {"nextPageToken": rest[PAGE - 1]} if len(rest) > PAGE else {}
        return _json({"models": [found for name in rest[:PAGE] if (found := self._register.find(name))], **more})

    def _loaded(self, name: str, url: str) -> Model | Answer:
        """The border to user code: a model that cannot be loaded is an answer."""
        try:
            return self._models.load(name, url)
        except (NoMemory, MemoryError) as error:
            return text(507, f"no memory for model {name}: {error}")
        except BadUrl as error:
            return text(400, str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return text(500, f"model {name} cannot be loaded: {error}")


def _no_model(call: Invocation) -> Answer:
    raise LookupError("a multi-model server has no model of its own")


def _json(value: Any) -> Answer:
    return Answer(200, "application/json", json.dumps(value).encode())
