"""A job's `/opt/ml` in a temporary folder, and the toolkit started on it as the runtime starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clary.runtime.toolkit

TRAIN = Path(clary.runtime.toolkit.__file__).with_name("train.py")
RESOURCES = {
    "current_host": "algo-1",
    "current_instance_type": "ml.m5.xlarge",
    "current_group_name": "homogeneousCluster",
    "hosts": ["algo-1"],
    "instance_groups": [
        {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.xlarge", "hosts": ["algo-1"]}
    ],
    "network_interface_name": "eth0",
}


@dataclass
class Place:
    """One `/opt/ml`."""

    base: Path

    def configure(self, name: str, content: Mapping[str, Any]) -> None:
        folder = self.base / "input/config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content))

    def code(self, name: str, text: str) -> Path:
        file = self.base / "code" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    def train(
        self, environ: Mapping[str, str] | None = None, **hyperparameters: str
    ) -> subprocess.CompletedProcess[str]:
        self.configure("hyperparameters", hyperparameters)
        return subprocess.run(
            [sys.executable, str(TRAIN)], env=self.environ(environ), capture_output=True, text=True, timeout=120
        )

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {"SAGEMAKER_BASE_DIR": str(self.base)} | dict(more or {})

    @property
    def failure(self) -> str:
        return (self.base / "output/failure").read_text()
