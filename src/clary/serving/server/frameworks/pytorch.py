"""PyTorch's defaults, as its AWS toolkit has them: a TorchScript file is served without any user code."""

import os
from pathlib import Path
from typing import Any

import torch

from clary.serving.server import codecs, script
from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded, torchserve
from clary.serving.server.invocation import Refused, media_type

MODEL_FILE = "model.pt"


class Defaults:
    default_accept = codecs.JSON
    accepts = frozenset({codecs.JSON, codecs.CSV, codecs.NPY, codecs.JSON_LINES})

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._ready: Any = None

    def model_fn(self, model_dir: str) -> Any:
        """`model.pt`, else the only `.pt` or `.pth` file, as TorchScript."""
        return torch.jit.load(str(_model_file(Path(model_dir))), map_location=self.device)

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        data = codecs.decode(body, content_type)
        if media_type(content_type) == codecs.NPY:
            return torch.from_numpy(data).to(self.device)
        return torch.FloatTensor(data).to(self.device)

    def predict_fn(self, data: Any, model: Any) -> Any:
        if model is not self._ready or getattr(model, "training", True):
            # Not each time: it goes through all parts of the model, which may take longer than the prediction.
            model.to(self.device).eval()
            self._ready = model
        with torch.no_grad():
            return model(data.to(self.device))

    def output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        if isinstance(prediction, torch.Tensor):
            prediction = prediction.detach().cpu().numpy()
        return codecs.encode(prediction, accept), accept


def _model_file(folder: Path) -> Path:
    if (folder / MODEL_FILE).is_file():
        return folder / MODEL_FILE
    found = [file for file in folder.iterdir() if file.suffix in (".pt", ".pth")]
    if len(found) != 1:
        raise ValueError(
            f"Exactly one .pth or .pt file is required for PyTorch models: {[file.name for file in found]}. "
            "Or give a model_fn in code/inference.py."
        )
    return found[0]


def load(config: Config) -> Loaded:
    """The PyTorch toolkit answers 500, not 415 or 406, to a type it cannot read or write."""
    if named := os.environ.get("SAGEMAKER_HANDLER"):
        return Loaded(torchserve.build(named, config.code_dir, config.model_dir))
    module = script.load_module(config.code_dir, config.program or "inference.py")
    serve = script.build(module, Defaults(), config.model_dir, config.default_accept)

    def unrefusing(call: Any) -> Any:
        try:
            return serve(call)
        except Refused as refusal:
            raise RuntimeError(str(refusal)) from refusal

    return Loaded(unrefusing, execution_parameters=script.execution_parameters(module))
