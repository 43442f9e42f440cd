"""Which model of the repository answers, and how."""

import json
import os
from pathlib import Path

from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded
from clary.serving.server.frameworks.triton import backends, fitting, settings, tensors
from clary.serving.server.invocation import Answer, Invocation, Refused

DEFAULT = "SAGEMAKER_TRITON_DEFAULT_MODEL_NAME"


def is_repository(folder: Path) -> bool:
    """Whether models lie in it as Triton wants: `<name>/<version>/<file>`, beside a `config.pbtxt`."""
    return any(folder.glob("*/config.pbtxt")) or any(any(folder.glob(f"*/[0-9]*/{name}")) for name in backends.FILES)


def load(config: Config) -> Loaded:
    """The default model, its newest version. Raises `ValueError` where it is not clear which."""
    folder = _model(config.model_dir, os.environ.get(DEFAULT, ""))
    described = settings.read(folder / "config.pbtxt")
    versions = [int(each.name) for each in folder.iterdir() if each.name.isdigit()]
    if not versions:
        raise ValueError(f"{folder.name} has no version: a folder that is called by its number, as in {folder.name}/1.")
    version = str(max(versions))
    run = backends.load(folder / version, described)

    def serve(call: Invocation) -> Answer:
        try:
            request = tensors.read(call.body, call.content_type)
            fitting.check(request.inputs, described, folder.name)
            body, kind = tensors.write(folder.name, version, request, run(request.inputs))
        except Refused as refusal:
            # Triton's own form of an error.
            return Answer(refusal.status, "application/json", json.dumps({"error": str(refusal)}).encode())
        return Answer(200, kind, body)

    return Loaded(serve)


def _model(repository: Path, named: str) -> Path:
    found = sorted(each for each in repository.iterdir() if each.is_dir() and each.name != "code")
    if named and repository / named in found:
        return repository / named
    if named or len(found) != 1:
        there = ", ".join(each.name for each in found) or "none"
        raise ValueError(f"{DEFAULT} must name one of the models of the repository; there are: {there}.")
    return found[0]
