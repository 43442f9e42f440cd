"""The optional last argument of a user's functions: what the request said, and what the answer says beside its body.

Shaped as the context of AWS's inference toolkits and of TorchServe, so their scripts run unchanged. Those serve
batches; here a batch is one request, so every index but 0 is an `IndexError`.
"""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from clary.serving.server.invocation import Invocation

BATCH = 1
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"})
"""The server's own business: setting one does nothing."""


class Headers(Mapping[str, str]):
    """Names are compared without regard to case, as HTTP does; `get` of a missing one is `None`."""

    def __init__(self, given: Mapping[str, str]) -> None:
        """`given`: names in lower case."""
        self._given = given

    def __getitem__(self, name: str) -> str:
        return self._given[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class RequestProcessor:
    """One request and the head of its answer; user code reaches it as `context.request_processor[0]`."""

    def __init__(self, call: Invocation) -> None:
        self._request = Headers({"content-type": call.content_type, "accept": call.accept} | dict(call.headers))
        self._status: tuple[int, str | None] = (200, None)
        self._answer: dict[str, str] = {}

    def get_request_property(self, key: str) -> str | None:
        return self._request.get(key)

    def get_request_properties(self) -> Headers:
        return self._request

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        if not 200 <= int(code) <= 599:
            raise ValueError(f"not the status of an answer: {code}")
        self._status = (int(code), reason_phrase)

    def get_response_status_code(self) -> int:
        return self._status[0]

    def get_response_status_phrase(self) -> str | None:
        return self._status[1]

    def add_response_property(self, key: str, value: str) -> None:
        """Raises `ValueError` for what cannot stand in a header."""
        name, text = str(key).lower(), str(value)
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"not the name of a header: {key!r}")
        if not all(" " <= character <= "~" or character == "\t" for character in text):
            raise ValueError(f"the value of header {key} holds characters that headers may not have")
        if name not in FRAMING:
            self._answer[name] = text

    def get_response_headers(self) -> dict[str, str]:
        return self._answer

    def get_response_header(self, key: str) -> str | None:
        return self._answer.get(key.lower())


class Context:
    """While the model is loaded there is no request: what asks for one then raises `IndexError`."""

    def __init__(self, model_dir: str, call: Invocation | None = None) -> None:
        self.model_name = "model"
        self.manifest: dict[str, Any] = {"model": {"modelName": self.model_name}}
        self.system_properties: dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": BATCH,
            "server_name": "clary",
            "server_version": "1",
        }
        self.request_processor = [RequestProcessor(call)] if call else []
        self.metrics = None
        self._ids: dict[int, str] = {}

    @property
    def request_ids(self) -> dict[int, str]:
        """Made when asked for: few scripts do."""
        self._ids = self._ids or {index: str(uuid.uuid4()) for index in range(len(self.request_processor))}
        return self._ids

    def get_request_id(self, idx: int = 0) -> str | None:
        return self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> str | None:
        return self.request_processor[idx].get_request_property(key)

    def get_all_request_header(self, idx: int) -> Headers:
        return self.request_processor[idx].get_request_properties()

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Counts only where the function that makes the body does not name a type itself."""
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> str | None:
        return self.request_processor[idx].get_response_header("content-type")

    def get_response_status(self, idx: int) -> tuple[int, str | None]:
        processor = self.request_processor[idx]
        return processor.get_response_status_code(), processor.get_response_status_phrase()

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        self.request_processor[idx].report_status(code, phrase)

    def set_all_response_status(self, code: int = 200, phrase: str = "") -> None:
        for processor in self.request_processor:
            processor.report_status(code, phrase)

    def get_response_headers(self, idx: int) -> dict[str, str]:
        return self.request_processor[idx].get_response_headers()

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        self.request_processor[idx].add_response_property(key, value)
