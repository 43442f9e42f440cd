"""The job as its files under `/opt/ml` tell it: hyperparameters, channels, hosts, folders."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESERVED = "sagemaker_"
_ALSO_RESERVED = frozenset({"_tuning_objective_metric", "default_user_module_name"})
_KNOWN = frozenset(
    f"{RESERVED}{name}"
    for name in (
        "program",
        "submit_directory",
        "container_log_level",
        "job_name",
        "region",
        "enable_cloudwatch_metrics",
        "s3_output",
    )
)


class Job:
    """Read once at start. `hyperparameters` are the user's own, decoded; `reserved` the toolkit's."""

    def __init__(self, base: Path, environ: Mapping[str, str]) -> None:
        self.base = base
        decoded = {key: decode(value) for key, value in _config(base, "hyperparameters").items()}
        self.reserved = {key: value for key, value in decoded.items() if is_reserved(key)}
        self.hyperparameters = {key: value for key, value in decoded.items() if not is_reserved(key)}
        self.framework_params = {key: value for key, value in self.reserved.items() if key not in _KNOWN}
        self.channels: dict[str, dict[str, Any]] = _config(base, "inputdataconfig")
        self.resources: dict[str, Any] = _config(base, "resourceconfig")
        self.host: str = self.resources.get("current_host", "algo-1")
        self.hosts: list[str] = self.resources.get("hosts", [self.host])
        self.program = str(self.reserved.get("sagemaker_program") or environ.get("SAGEMAKER_PROGRAM") or "")
        self.submit_directory = str(
            self.reserved.get("sagemaker_submit_directory") or environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or ""
        )
        self.name = str(self.reserved.get("sagemaker_job_name") or environ.get("TRAINING_JOB_NAME") or "")
        self.log_level = int(self.reserved.get("sagemaker_container_log_level") or 20)

    @property
    def input(self) -> Path:
        return self.base / "input"

    @property
    def code(self) -> Path:
        return self.base / "code"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def output(self) -> Path:
        return self.base / "output"

    @property
    def module(self) -> str:
        """The program as a module name: `train.py` is `train`."""
        return self.program.removesuffix(".py")

    def channel(self, name: str) -> Path:
        return self.input / "data" / name

    def make_folders(self) -> None:
        for folder in (self.code, self.model, self.output / "data", self.output / "intermediate"):
            folder.mkdir(parents=True, exist_ok=True)

    def write_failure(self, text: str) -> None:
        """Say why, unless the user's code already did."""
        file = self.output / "failure"
        if not file.exists() or not file.stat().st_size:
            file.write_text(text)

    def write_success(self) -> None:
        (self.output / "success").touch()


def read(environ: Mapping[str, str] = os.environ) -> Job:
    return Job(Path(environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")), environ)


def is_reserved(name: str) -> bool:
    """Whether a hyperparameter is for the toolkit and hidden from the user's script."""
    return name.startswith(RESERVED) or name in _ALSO_RESERVED


def decode(value: str) -> Any:
    """A hyperparameter's value: the SDK sends JSON, others plain text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _config(base: Path, name: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((base / "input" / "config" / f"{name}.json").read_bytes())
    except FileNotFoundError:
        return {}
    return content
