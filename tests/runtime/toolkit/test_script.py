"""Scripts run by the real toolkit in a real process."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from tests.runtime.toolkit.place import TRAIN, Place

PRINT = "import json, os, sys; print('SEEN', json.dumps([sys.argv[1:], dict(os.environ)]))"


def seen(output: str) -> tuple[list[str], dict[str, str]]:
    line = next(line for line in output.splitlines() if line.startswith("SEEN "))
    words, environ = json.loads(line[5:])
    return words, environ


def test_arguments_follow_the_rules(place: Place) -> None:
    place.code("train.py", PRINT)
    done = place.train(
        sagemaker_program='"train.py"',
        epochs="5",
        name='"hello"',
        plain="just text",
        n="3",
        flag="true",
        nothing="null",
        nested='{"b": 2, "a": 1}',
        _tuning_objective_metric="rmse",
    )
    assert done.returncode == 0, done.stderr
    words, _ = seen(done.stdout)
    assert words == [
        *("--epochs", "5", "--flag", "True", "-n", "3", "--name", "hello"),
        *("--nested", "a=1,b=2", "--nothing", "", "--plain", "just text"),
    ]
    assert (place.base / "output/success").exists()


def test_variables_describe_the_job(place: Place) -> None:
    place.code("train.py", PRINT)
    done = place.train(sagemaker_program="train.py", sagemaker_job_name='"my-job"', batch_size="32")
    _, environ = seen(done.stdout)
    base = str(place.base)
    chosen = {name: value for name, value in environ.items() if name.startswith("SM_")}
    training_env = json.loads(chosen.pop("SM_TRAINING_ENV"))
    resource_config = json.loads(chosen.pop("SM_RESOURCE_CONFIG"))
    assert resource_config["current_host"] == "algo-1"
    cpus = str(len(os.sched_getaffinity(0)))
    assert chosen == {
        "SM_HOSTS": '["algo-1"]',
        "SM_CURRENT_HOST": "algo-1",
        "SM_CURRENT_INSTANCE_TYPE": "ml.m5.xlarge",
        "SM_CURRENT_INSTANCE_GROUP": "homogeneousCluster",
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": '["algo-1"]',
        "SM_INSTANCE_GROUPS": '["homogeneousCluster"]',
        "SM_INSTANCE_GROUPS_DICT": '{"homogeneousCluster":{"hosts":["algo-1"],'
        '"instance_group_name":"homogeneousCluster","instance_type":"ml.m5.xlarge"}}',
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "SM_IS_HETERO": "false",
        "SM_NETWORK_INTERFACE_NAME": "eth0",
        "SM_HPS": '{"batch_size":32}',
        "SM_HP_BATCH_SIZE": "32",
        "SM_USER_ARGS": '["--batch_size","32"]',
        "SM_USER_ENTRY_POINT": "train.py",
        "SM_FRAMEWORK_PARAMS": "{}",
        "SM_FRAMEWORK_MODULE": "",
        "SM_MODULE_NAME": "train",
        "SM_MODULE_DIR": f"{base}/code",
        "SM_INPUT_DATA_CONFIG": '{"train":{"TrainingInputMode":"File"}}',
        "SM_CHANNELS": '["train"]',
        "SM_CHANNEL_TRAIN": f"{base}/input/data/train",
        "SM_MODEL_DIR": f"{base}/model",
        "SM_INPUT_DIR": f"{base}/input",
        "SM_INPUT_CONFIG_DIR": f"{base}/input/config",
        "SM_OUTPUT_DIR": f"{base}/output",
        "SM_OUTPUT_DATA_DIR": f"{base}/output/data",
        "SM_OUTPUT_INTERMEDIATE_DIR": f"{base}/output/intermediate",
        "SM_NUM_CPUS": cpus,
        "SM_NUM_GPUS": "0",
        "SM_NUM_NEURONS": "0",
        "SM_LOG_LEVEL": "20",
    }
    assert (training_env["is_master"], training_env["master_hostname"], training_env["job_name"]) == (
        True,
        "algo-1",
        "my-job",
    )
    assert training_env["hyperparameters"] == {"batch_size": 32}
    assert environ["PYTHONPATH"].split(":")[0] == f"{base}/code"
    assert (environ["MASTER_ADDR"], environ["MASTER_PORT"]) == ("algo-1", "7777")


def test_where_the_network_is_shared_the_runtime_chooses_the_port(place: Place) -> None:
    place.code("train.py", PRINT)
    _, environ = seen(place.train({"CLARY_MASTER_PORT": "12345"}, sagemaker_program="train.py").stdout)
    assert environ["MASTER_PORT"] == "12345"


def test_a_process_left_behind_with_the_streams_does_not_hold_the_end(place: Place) -> None:
    place.code("train.py", "import subprocess; subprocess.Popen(['sleep', '100'])")
    began = time.monotonic()
    environ = place.environ() | {"PYTHONUNBUFFERED": "1"}
    place.configure("hyperparameters", {"sagemaker_program": "train.py"})
    done = subprocess.Popen([sys.executable, "-I", "-S", str(TRAIN)], env=environ, stdout=subprocess.DEVNULL)
    assert done.wait(90) == 0
    assert time.monotonic() - began < 90


def test_a_failing_script_is_told_by_its_last_error(place: Place) -> None:
    place.code("train.py", "raise ValueError('no such\\ncolumn')")
    done = place.train(sagemaker_program="train.py")
    assert done.returncode == 1
    command = f"{sys.executable} train.py"
    assert place.failure == (
        f'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: no such\ncolumn"\nCommand "{command}"'
    )
    assert "Traceback" in done.stderr


def test_a_killed_script_is_out_of_memory(place: Place) -> None:
    place.code("train.py", "import os; os.kill(os.getpid(), 9)")
    done = place.train(sagemaker_program="train.py")
    assert done.returncode == 1
    assert "ExitCode 137" in place.failure
    assert "OutOfMemory: Process killed by SIGKILL (signal 9)" in place.failure


def test_the_users_own_failure_text_stays(place: Place) -> None:
    place.code("train.py", f"open('{place.base}/output/failure', 'w').write('mine'); raise SystemExit(3)")
    done = place.train(sagemaker_program="train.py")
    assert (done.returncode, place.failure) == (1, "mine")


def test_shell_programs_get_quoted_arguments(place: Place) -> None:
    place.code("run.sh", '#!/bin/sh\necho "first=$1 second=$2"\n')
    done = place.train(sagemaker_program="run.sh", note="a b; exit 9")
    assert "first=--note second=a b; exit 9" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize("how", ["tar", "folder", "staged"])
def test_code_comes_from_an_archive_or_a_folder(place: Place, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.py").write_text("print('from', 'afar')")
    archive = tmp_path / "sourcedir.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "train.py", "train.py")
    submit, environ = {
        "tar": (str(archive), {}),
        "folder": (str(folder), {}),
        "staged": ("s3://bucket/sourcedir.tar.gz", {"CLARY_SOURCE_ARCHIVE": str(archive)}),
    }[how]
    done = place.train(environ, sagemaker_program="train.py", sagemaker_submit_directory=json.dumps(submit))
    assert "from afar" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["../escaped.py", "/etc/escaped.py"])
def test_an_archive_that_leaves_its_folder_is_refused_or_kept_inside(place: Place, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "train.py"
    victim.write_text("print('x')")
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(victim, "train.py")
        entry = tarfile.TarInfo(name)
        tar.addfile(entry)
    place.train(sagemaker_program="train.py", sagemaker_submit_directory=json.dumps(str(archive)))
    assert not (place.base / "escaped.py").exists()
    assert not Path("/etc/escaped.py").exists()


def test_a_missing_program_is_named(place: Place) -> None:
    place.code("other.py", "")
    done = place.train(sagemaker_program="train.py")
    assert done.returncode == 1
    assert place.failure == f"ImportModuleError: train.py is not in {place.base}/code"


def test_nothing_to_run_is_said(place: Place) -> None:
    done = place.train()
    assert done.returncode == 1
    assert place.failure.startswith("ImportModuleError: No training program")


def test_a_broken_requirement_is_its_own_error(place: Place) -> None:
    place.code("train.py", "")
    place.code("requirements.txt", "not a requirement !!\n")
    done = place.train(sagemaker_program="train.py")
    assert done.returncode == 1
    assert place.failure.startswith("InstallRequirementsError:\nExitCode 1\n")


def test_an_algorithm_runs_when_no_program_is_named(place: Place) -> None:
    done = place.train({"SAGEMAKER_TRAINING_MODULE": "clary.runtime.toolkit.arguments:unknown_function"})
    assert done.returncode == 1
    assert "cannot import name 'unknown_function'" in done.stderr


def test_termination_reaches_the_script(place: Place) -> None:
    place.code(
        "train.py",
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b'saving\\n'), sys.exit(0)))\n"
        "print('ready', flush=True)\nsignal.pause()\n",
    )
    place.configure("hyperparameters", {"sagemaker_program": "train.py"})
    with subprocess.Popen(
        [sys.executable, str(TRAIN)], env=place.environ(), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        lines = iter(running.stdout)
        assert any(line == "ready\n" for line in lines)
        running.send_signal(signal.SIGTERM)
        assert "saving\n" in list(lines)
        assert running.wait(100) == 0
