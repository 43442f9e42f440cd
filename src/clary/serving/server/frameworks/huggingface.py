"""HuggingFace's defaults, as its AWS toolkit has them: a pipeline of transformers, served without any user code.

The model is what was put into the model folder, or what `HF_MODEL_ID` names: a folder, else a model of the hub, which
is fetched where the instance may reach it. The task is `HF_TASK`, else read from the model's architecture.
"""

import base64
import csv
import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants, try_to_load_from_cache
from transformers import AutoConfig, pipeline
from transformers.pipelines import SUPPORTED_TASKS

from clary.serving.server import codecs, script
from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded, hub
from clary.serving.server.invocation import Answer, Invocation, Refused, Serve, media_type

COLUMNS = ("question", "context", "inputs")
ARCHITECTURES = {
    "TapasForQuestionAnswering": "table-question-answering",
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForImageClassification": "image-classification",
    "ForImageSegmentation": "image-segmentation",
    "ForSemanticSegmentation": "image-segmentation",
    "ForObjectDetection": "object-detection",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForConditionalGeneration": "text2text-generation",
}
"""How the name of an architecture ends, and its task. The first that fits counts."""


class Defaults:
    default_accept = codecs.JSON
    accepts = frozenset({codecs.JSON, codecs.CSV, codecs.NPY})

    def model_fn(self, model_dir: str) -> Any:
        model = os.environ.get("HF_MODEL_ID", "") or model_dir
        options = {"token": os.environ.get("HF_API_TOKEN") or os.environ.get("HF_TOKEN") or None}
        if not Path(model).is_dir():
            options["revision"] = os.environ.get("HF_MODEL_REVISION") or None
            _check_hub(model, options["revision"])
        trusted = os.environ.get("HF_TRUST_REMOTE_CODE", "").lower() in ("1", "true")
        task = os.environ.get("HF_TASK") or _task(model, trust_remote_code=trusted, **options)
        if task not in SUPPORTED_TASKS:
            raise ValueError(f"transformers has no pipeline for {task!r}; it has: {', '.join(SUPPORTED_TASKS)}.")
        device = 0 if torch.cuda.is_available() else -1
        return pipeline(task, model=model, device=device, trust_remote_code=trusted, **options)

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        kind = media_type(content_type)
        if kind == codecs.JSON:
            return json.loads(body)
        if kind == codecs.CSV:
            return _table(body if isinstance(body, str) else body.decode())
        if kind.startswith(("audio/", "application/x-audio")):
            return {"inputs": body}
        if kind.startswith(("image/", "application/x-image")):
            return {"inputs": _picture(body)}
        if kind.startswith("text/plain"):
            return {"inputs": body if isinstance(body, str) else body.decode()}
        return {"inputs": codecs.decode(body, content_type)}

    def predict_fn(self, data: Any, model: Any) -> Any:
        """`{"inputs": ..., "parameters": {...}}`; anything else is the inputs."""
        if not isinstance(data, dict):
            return model(data)
        inputs = data.get("inputs", data)
        return model(inputs, **(data.get("parameters") or {}))

    def output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        if accept == codecs.CSV and _is_table(prediction):
            return _rows(prediction), accept
        if accept == codecs.JSON:
            return json.dumps(prediction, default=_plain).encode(), accept
        return codecs.encode(prediction, accept), accept


def load(config: Config) -> Loaded:
    module = script.load_module(config.code_dir, config.program or "inference.py")
    serve = script.build(module, Defaults(), config.model_dir, config.default_accept)
    return Loaded(telling(serve), execution_parameters=script.execution_parameters(module))


def telling(serve: Serve) -> Serve:
    """Errors as the toolkit words them, in JSON: what fails in a call is told as 400, unless the script says else."""

    def told(call: Invocation) -> Answer:
        try:
            return serve(call)
        except Refused as refusal:
            return _error(refusal.status, "UnsupportedContent", str(refusal))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return _error(400, "InternalServerException", str(error) or type(error).__name__)

    return told


def _error(status: int, kind: str, message: str) -> Answer:
    body = {"code": status, "type": kind, "message": message}
    return Answer(status, codecs.JSON, json.dumps(body, indent=1).encode())


def _check_hub(model: str, revision: str | None) -> None:
    """Raises `hub.Unreachable`, unless the model was fetched before."""
    if Path(model).is_absolute():
        raise ValueError(f"HF_MODEL_ID is {model}, and there is no such folder.")
    if not isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str):
        hub.check(model, constants.ENDPOINT)


def _task(model: str, **options: Any) -> str:
    """Of a folder, or a model of the hub. Raises `ValueError` where the model's configuration does not say."""
    for architecture in _architectures(model, **options):
        for ending, task in ARCHITECTURES.items():
            if architecture.endswith(ending):
                return task
    raise ValueError("Task couldn't be inferred from the architecture of the model. Set HF_TASK.")


def _architectures(model: str, **options: Any) -> list[str]:
    if not Path(model).is_dir():
        return AutoConfig.from_pretrained(model, **options).architectures or []
    file = Path(model, "config.json")
    if not file.is_file():
        raise ValueError("Task couldn't be inferred: the model has no config.json. Set HF_TASK.")
    return json.loads(file.read_text()).get("architectures") or []


def _table(text: str) -> dict[str, Any]:
    """CSV with a header that names what a pipeline takes. Raises `Refused` 400 without one."""
    head = text.partition("\n")[0].lower()
    if not any(column in head for column in COLUMNS):
        raise Refused(
            400,
            "You need to provide the correct CSV with Header columns to use it with the inference toolkit default "
            "handler.",
        )
    rows = list(csv.DictReader(io.StringIO(text)))
    if rows and "inputs" in rows[0]:
        return {"inputs": [row["inputs"] for row in rows]}
    return {"inputs": rows}


def _picture(body: bytes | str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise Refused(415, "Pictures need pillow: name it in code/requirements.txt.") from error
    return Image.open(io.BytesIO(body if isinstance(body, bytes) else body.encode()))


def _is_table(prediction: Any) -> bool:
    return isinstance(prediction, list) and bool(prediction) and all(isinstance(row, dict) for row in prediction)


def _rows(prediction: list[dict[str, Any]]) -> bytes:
    made = io.StringIO()
    writer = csv.DictWriter(made, list(prediction[0]), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(prediction)
    return made.getvalue().encode()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "save"):
        held = io.BytesIO()
        value.save(held, format="PNG")
        return base64.b64encode(held.getvalue()).decode()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
