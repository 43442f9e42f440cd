"""The job's own program, run on an archive of a model."""

import json
import os
import tarfile
from pathlib import Path
from typing import Any

from clary.compiler import job


def compiled(folder: Path, file: Path, framework: str, shapes: str = "", **config: Any) -> tuple[int, str]:
    """Exit code and failure text of the job; the artefact is in `folder/model`. `config`: what the job is told."""
    for name in ("input/config", "input/archive", "model", "output"):
        (folder / name).mkdir(parents=True)
    with tarfile.open(folder / job.ARCHIVE, "w:gz") as tar:
        tar.add(file, file.name)
    told = {"framework": framework, "data_input_config": shapes, "dtype": "float32", "input_dtype": "float32"}
    told |= {"device": "cpu", "threads": 1, "target": "ml_c5"} | config
    (folder / job.CONFIG).write_text(json.dumps(told))
    os.environ["SAGEMAKER_BASE_DIR"] = str(folder)
    code = job.main()
    failure = folder / "output" / "failure"
    return code, failure.read_text() if failure.exists() else ""


def report(folder: Path) -> Any:
    return json.loads((folder / "model" / "compilation-report.json").read_text())
