"""What `clary env` and `clary run` hand to clients."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clary.cli import clientenv
from clary.cli.failures import NotStarted
from clary.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "secrets").mkdir()
    keys = {"access_key": "AKIA", "secret": "it's/secret", "session_token": ""}
    (tmp_path / "secrets" / "credentials.json").write_text(json.dumps(keys))
    return Settings(home=tmp_path, port=1234, region="eu-west-1", account="111122223333")


def test_without_keys(tmp_path: Path) -> None:
    with pytest.raises(NotStarted):
        clientenv.variables(Settings(home=tmp_path))


def test_a_shell_takes_the_exports(settings: Settings) -> None:
    shell = "\n".join([*clientenv.exports(settings), f'"{sys.executable}" -c "import os; print(dict(os.environ))"'])
    outer = {"PATH": os.environ["PATH"], "PYTHONPATH": "/mine", "AWS_SESSION_TOKEN": "old", "AWS_PROFILE": "work"}
    printed = subprocess.run(["sh", "-c", shell], env=outer, capture_output=True, text=True, check=True).stdout
    seen = eval(printed)
    assert seen["AWS_SECRET_ACCESS_KEY"] == "it's/secret"
    assert seen["PYTHONPATH"] == f"{clientenv.PLUGIN_FOLDER}:/mine"
    assert "AWS_SESSION_TOKEN" not in seen and "AWS_PROFILE" not in seen
    assert {name: seen[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION")} == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1234",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }


def test_run_has_the_same_environment(settings: Settings) -> None:
    applied = clientenv.applied(settings, {"PYTHONPATH": "/mine", "AWS_PROFILE": "work", "LANG": "C"})
    assert applied == {
        "LANG": "C",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1234",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "it's/secret",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(settings.home / "sagemaker-sdk.yaml"),
        "BOTOCORE_EXPERIMENTAL__PLUGINS": "clary=clary_client",
        "PYTHONPATH": f"{clientenv.PLUGIN_FOLDER}:/mine",
    }


def test_the_sdks_configuration(settings: Settings) -> None:
    file = Path(clientenv.variables(settings)["SAGEMAKER_USER_CONFIG_OVERRIDE"])
    assert json.loads(file.read_text()) == {
        "SchemaVersion": "1.0",
        "SageMaker": {
            "PythonSDK": {
                "Modules": {
                    "Session": {"DefaultS3Bucket": "sagemaker-eu-west-1-111122223333"},
                    "TelemetryOptOut": True,
                }
            }
        },
    }
