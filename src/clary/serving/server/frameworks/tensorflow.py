"""TensorFlow: SavedModels behind TensorFlow Serving's REST contract, as AWS's image has it. See `tfs/`."""

import os
from pathlib import Path

from clary.serving.server import script
from clary.serving.server.config import Config
from clary.serving.server.frameworks import Loaded
from clary.serving.server.frameworks.tfs import examples, saved_models
from clary.serving.server.frameworks.tfs.saved_models import SavedModels
from clary.serving.server.frameworks.tfs.served import Served, loaded

METHODS = {"predict": saved_models.predict, "classify": examples.classify, "regress": examples.regress}


def load(config: Config) -> Loaded:
    models = SavedModels(Path(config.model_dir), os.environ.get("SAGEMAKER_TFS_DEFAULT_MODEL_NAME", ""))
    module = script.load_module(config.code_dir, config.program or "inference.py")
    return loaded(Served(models, METHODS, config.default_accept), module)
