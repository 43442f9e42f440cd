"""One worker of a multi-model server: AWS's paths for loading, listing, unloading and calling models."""

import asyncio
import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote

from clary.serving.server.app import App, reply_with, text
from clary.serving.server.config import Config
from clary.serving.server.invocation import Answer, Invocation
from clary.serving.server.multi.libraries import import_libraries
from clary.serving.server.multi.models import BadUrl, Limits, Model, Models, NoMemory, resident
from clary.serving.server.multi.register import Register

PAGE = 100
UNLOADED = "x-clary-model-unloaded"
"""Header of a 404 to a call that no model has seen."""
PREFIX, SUFFIX = "/models/", "/invoke"


class MultiModelApp(App):
    """Beside `/ping`; a call without a model's name is not found."""

    def __init__(self, config: Config, stuck: Any) -> None:
        super().__init__(
            _no_model, timeout=config.timeout, workers=config.workers, max_body=config.max_body, stuck=stuck
        )
        assert config.register
        self._register = Register(config.register)
        self._models = Models(config, self._register, Limits(config.models_bytes // config.workers, resident))
        self._loader = ThreadPoolExecutor(1, "loader")
        self._loader.submit(import_libraries, config)

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        path = scope.path
        if path.startswith(PREFIX) and path.endswith(SUFFIX) and scope.method == "POST":
            reply_with(proto, await self._call(unquote(path[len(PREFIX) : -len(SUFFIX)]), scope, proto))
        elif path == "/models" or path.startswith(PREFIX):
            reply_with(proto, await self._manage(unquote(path[len(PREFIX) :]), scope, proto))
        elif path == "/invocations":
            reply_with(proto, text(404, "this server has several models: call /models/<name>/invoke"))
        else:
            await super().__rsgi__(scope, proto)

    async def _call(self, name: str, scope: Any, proto: Any) -> Answer | None:
        model = self._models.find(name) or await self._known_elsewhere(name)
        if isinstance(model, Answer):
            return model
        return await self.invoke(scope, proto, model.serve, model.loaded.inline_bytes)

    async def _known_elsewhere(self, name: str) -> Model | Answer:
        """Another worker was told to load it, or this one before it was replaced."""
        entry = self._register.find(name)
        if entry is None:
            return replace(text(404, f"model {name} is not loaded"), headers={UNLOADED: "1"})
        return await self._load(name, entry["modelUrl"])

    async def _manage(self, name: str, scope: Any, proto: Any) -> Answer:
        match scope.method, bool(name):
            case "POST", False:
                return await self._add(await proto())
            case "GET", False:
                return self._list(parse_qs(scope.query_string or ""))
            case "GET", True:
                entry = self._register.find(name)
                return _json(entry) if entry else text(404, f"model {name} is not loaded")
            case "DELETE", True:
                return await self._remove(name)
        return text(405, "method not allowed")

    async def _add(self, body: bytes) -> Answer:
        try:
            wanted = json.loads(body)
            name, url = str(wanted["model_name"]), str(wanted["url"])
        except (ValueError, KeyError, TypeError):
            return text(400, "expected model_name and url")
        if self._register.find(name):
            return text(409, f"model {name} is loaded already")
        found = await self._load(name, url)
        return found if isinstance(found, Answer) else _json({"status": f"model {name} is loaded"})

    async def _remove(self, name: str) -> Answer:
        if not self._register.remove(name):
            return text(404, f"model {name} is not loaded")
        await asyncio.get_running_loop().run_in_executor(self._loader, self._models.drop, name)
        return _json({"status": f"model {name} is unloaded"})

    def _list(self, query: dict[str, list[str]]) -> Answer:
        after = query.get("next_page_token", [""])[0]
        rest = [name for name in self._register.names() if name > after]
        more = {"nextPageToken": rest[PAGE - 1]} if len(rest) > PAGE else {}
        return _json({"models": [found for name in rest[:PAGE] if (found := self._register.find(name))], **more})

    async def _load(self, name: str, url: str) -> Model | Answer:
        return await asyncio.get_running_loop().run_in_executor(self._loader, self._loaded, name, url)

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
