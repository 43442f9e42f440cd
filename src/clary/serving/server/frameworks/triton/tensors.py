"""KServe's v2 request and answer: JSON, or JSON followed by the tensors' bytes, as SageMaker's Triton has it."""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from clary.serving.server.invocation import Refused, media_type

BINARY = "application/vnd.sagemaker-triton.binary+json"
HEADER_SIZE = "json-header-size="
JSONS = frozenset({"application/json", "application/octet-stream", ""})
DTYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Request:
    """`outputs`: names that are wanted, none for all; `binary`: those of them whose bytes are wanted."""

    id: str
    inputs: dict[str, Any]
    outputs: tuple[str, ...]
    binary: frozenset[str]


def read(body: bytes, content_type: str) -> Request:
    """Raises `Refused` 400 for what is no request, 415 for another type."""
    kind = media_type(content_type)
    if kind != BINARY and kind not in JSONS:
        raise Refused(415, f"Content type {content_type} is not supported.")
    try:
        size = int(content_type.partition(HEADER_SIZE)[2]) if kind == BINARY else len(body)
        head, rest = json.loads(body[:size]), memoryview(body)[size:]
        inputs = {}
        for entry in head["inputs"]:
            length = (entry.get("parameters") or {}).get("binary_data_size")
            inputs[entry["name"]] = _from_bytes(entry, rest[:length]) if length is not None else _from_list(entry)
            rest = rest[length or 0 :]
        wanted = head.get("outputs") or []
        binary = [each["name"] for each in wanted if (each.get("parameters") or {}).get("binary_data")]
        return Request(str(head.get("id", "")), inputs, tuple(each["name"] for each in wanted), frozenset(binary))
    except (ValueError, KeyError, TypeError, AttributeError, struct.error, RecursionError) as error:
        raise Refused(400, f"failed to parse the request: {type(error).__name__}: {error}") from error


def write(model: str, version: str, request: Request, found: dict[str, Any]) -> tuple[bytes, str]:
    """The body and its type."""
    outputs, tails = [], []
    for name in request.outputs or tuple(found):
        if name not in found:
            raise Refused(400, f"unexpected inference output '{name}' for model '{model}'")
        value = np.asarray(found[name])
        kind = NAMES.get(value.dtype, "BYTES")
        shown: dict[str, Any] = {"name": name, "datatype": kind, "shape": list(value.shape)}
        if name in request.binary:
            tails.append(_bytes(value, kind))
            shown["parameters"] = {"binary_data_size": len(tails[-1])}
        else:
            shown["data"] = _list(value, kind)
        outputs.append(shown)
    told = {"id": request.id} if request.id else {}
    head = json.dumps({**told, "model_name": model, "model_version": version, "outputs": outputs}).encode()
    if not tails:
        return head, "application/json"
    return head + b"".join(tails), f"{BINARY};{HEADER_SIZE}{len(head)}"


def _from_list(entry: dict[str, Any]) -> Any:
    kind = DTYPES[entry["datatype"]]
    if entry["datatype"] == "BYTES":
        texts = [each.encode() if isinstance(each, str) else each for each in _flat(entry["data"])]
        return np.array(texts, dtype=np.object_).reshape(entry["shape"])
    given = np.array(entry["data"])
    if given.dtype.kind not in "biuf" or (given.dtype.kind == "f" and not np.issubdtype(kind, np.floating)):
        raise ValueError(f"input '{entry['name']}' does not hold values of type {entry['datatype']}")
    return given.astype(kind).reshape(entry["shape"])


def _flat(values: Any) -> list[Any]:
    return [each for value in values for each in (_flat(value) if isinstance(value, list) else [value])]


def _from_bytes(entry: dict[str, Any], data: memoryview) -> Any:
    if entry["datatype"] != "BYTES":
        return np.frombuffer(data, DTYPES[entry["datatype"]]).reshape(entry["shape"])
    texts, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        texts.append(bytes(data[at + 4 : at + 4 + length]))
        at += 4 + length
    return np.array(texts, dtype=np.object_).reshape(entry["shape"])


def _raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _bytes(value: Any, kind: str) -> bytes:
    if kind != "BYTES":
        return bytes(np.ascontiguousarray(value).data)
    return b"".join(struct.pack("<I", len(text)) + text for text in map(_raw, value.reshape(-1).tolist()))


def _list(value: Any, kind: str) -> list[Any]:
    """Flat, in row-major order."""
    flat: list[Any] = value.reshape(-1).tolist()
    return [_raw(each).decode("utf-8", "replace") for each in flat] if kind == "BYTES" else flat
