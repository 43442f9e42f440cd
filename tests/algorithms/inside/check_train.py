"""Algorithm mode end to end in one process each, on sklearn's own data sets."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.datasets import dump_svmlight_file, load_breast_cancer, load_diabetes, load_iris

from clary.algorithms import recordio
from clary.algorithms.xgboost import cluster, model, train
from clary.algorithms.xgboost.spec import SPEC

MAIN = "import sys; from clary.algorithms.xgboost.start import main; sys.exit(main())"
DIABETES = np.column_stack([load_diabetes().target, load_diabetes().data])
CANCER = np.column_stack([load_breast_cancer().target, load_breast_cancer().data])


def csv(file: Path, table: Any, delimiter: str = ",") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(file, table, delimiter=delimiter, fmt="%.6g")


class Job:
    """One `/opt/ml`."""

    def __init__(self, base: Path, hyperparameters: Mapping[str, str], form: str = "text/csv") -> None:
        self.base, self.form, self.port = base, form, cluster.TRACKER_PORT
        self.config("hyperparameters", hyperparameters)
        self.channels("train")

    def config(self, name: str, content: Mapping[str, Any]) -> None:
        folder = self.base / "input/config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(content))

    def channels(self, *names: str) -> None:
        self.config("inputdataconfig", {name: {"ContentType": self.form} for name in names})
        for name in names:
            self.data(name).mkdir(parents=True, exist_ok=True)

    def data(self, channel: str) -> Path:
        return self.base / "input/data" / channel

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", MAIN],
            env={
                "SAGEMAKER_BASE_DIR": str(self.base),
                "PYTHONPATH": ":".join(sys.path),
                "OMP_NUM_THREADS": "1",
                "DMLC_TRACKER_PORT": str(self.port),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> tuple[int, str]:
        with self.start() as running:
            output, _ = running.communicate(timeout=280)
            return running.returncode, output

    @property
    def failure(self) -> str:
        return (self.base / "output/failure").read_text()


def scores(output: str, name: str) -> list[float]:
    metric = next(metric for metric in SPEC.metrics if metric.name == name)
    return [float(found[1]) for line in output.splitlines() if (found := re.match(metric.regex, line))]


def test_csv_with_validation_learns(tmp_path: Path) -> None:
    job = Job(tmp_path, {"num_round": "30", "max_depth": "3", "eta": "0.2", "eval_metric": "rmse,mae"})
    job.channels("train", "validation")
    csv(job.data("train") / "a.csv", DIABETES[:200])
    csv(job.data("train") / "deeper/b.csv", DIABETES[200:350], delimiter=";")
    csv(job.data("validation") / "v.csv", DIABETES[350:])
    code, output = job.run()
    assert code == 0, output
    found = scores(output, "validation:rmse")
    assert len(found) == 30 == len(scores(output, "train:mae"))
    assert found[-1] < 62 < found[0]
    assert "Train matrix has 350 rows and 10 columns" in output
    (booster,) = model.load(tmp_path / "model")
    assert (booster.num_boosted_rounds(), booster.num_features()) == (30, 10)
    assert [file.name for file in (tmp_path / "model").iterdir()] == ["xgboost-model"]


@pytest.mark.parametrize("form", ["text/libsvm", "application/x-parquet", "application/x-recordio-protobuf"])
def test_other_formats_train_the_same_model(tmp_path: Path, form: str) -> None:
    rows = CANCER.astype(np.float32)
    job = Job(tmp_path, {"num_round": "5", "objective": "binary:logistic", "eval_metric": "auc,accuracy"}, form)
    if form == "text/libsvm":
        dump_svmlight_file(rows[:, 1:], rows[:, 0], str(job.data("train") / "a?b=c;d.svm"))
    elif form == "application/x-parquet":
        pandas.DataFrame(rows, columns=[f"c{n}" for n in range(rows.shape[1])]).to_parquet(
            job.data("train") / "a.parquet"
        )
    else:
        (job.data("train") / "a.pbr").write_bytes(recordio.write(rows[:, 1:], rows[:, 0]))
    code, output = job.run()
    assert code == 0, output
    assert scores(output, "train:auc")[-1] == pytest.approx(0.9996, abs=0.0005)
    assert scores(output, "train:accuracy")[-1] > 0.98


def test_weights_change_the_model(tmp_path: Path) -> None:
    heavy = np.insert(DIABETES[:100], 1, np.where(DIABETES[:100, 0] > 150, 100, 1), axis=1)
    job = Job(tmp_path, {"num_round": "1", "max_depth": "1", "eta": "1", "csv_weights": "1", "base_score": "0"})
    csv(job.data("train") / "a.csv", heavy)
    code, output = job.run()
    assert code == 0, output
    assert "Train matrix has 100 rows and 10 columns" in output
    (booster,) = model.load(tmp_path / "model")
    mean = booster.inplace_predict(DIABETES[:100, 1:].astype(np.float32)).mean()
    assert mean > DIABETES[:100, 0].mean() + 30


def test_early_stopping_keeps_the_best_round(tmp_path: Path) -> None:
    job = Job(tmp_path, {"num_round": "500", "eta": "0.5", "early_stopping_rounds": "5"})
    job.channels("train", "validation")
    csv(job.data("train") / "a.csv", DIABETES[:300])
    csv(job.data("validation") / "a.csv", DIABETES[300:])
    code, output = job.run()
    assert code == 0, output
    found = scores(output, "validation:rmse")
    assert len(found) < 100
    (booster,) = model.load(tmp_path / "model")
    assert booster.num_boosted_rounds() == int(np.argmin(found)) + 1


def test_a_checkpointed_job_goes_on(tmp_path: Path) -> None:
    job = Job(tmp_path, {"num_round": "10"})
    job.config("checkpointconfig", {"LocalPath": str(tmp_path / "checkpoints")})
    csv(job.data("train") / "a.csv", DIABETES)
    assert job.run()[0] == 0
    assert sorted(file.name for file in (tmp_path / "checkpoints").iterdir()) == [
        f"xgboost-checkpoint.{n}" for n in range(5, 10)
    ]
    job.config("hyperparameters", {"num_round": "12"})
    code, output = job.run()
    assert code == 0
    assert "Resuming from iteration 10" in output
    assert re.findall(r"^\[(\d+)\]#011", output, re.M) == ["10", "11"]
    (booster,) = model.load(tmp_path / "model")
    assert booster.num_boosted_rounds() == 12


def test_cross_validation_makes_a_model_for_each_fold(tmp_path: Path) -> None:
    iris = np.column_stack([load_iris().target, load_iris().data])
    job = Job(
        tmp_path,
        {"num_round": "4", "objective": "multi:softprob", "num_class": "3", "_kfold": "3", "eval_metric": "merror"},
    )
    csv(job.data("train") / "a.csv", iris)
    code, output = job.run()
    assert code == 0, output
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == [f"xgboost-model-{n}" for n in range(3)]
    assert scores(output, "validation:merror")[-1] < 0.1


def test_two_hosts_train_one_model(tmp_path: Path) -> None:
    outputs = together(tmp_path, {"num_round": "8", "tree_method": "hist"}, [DIABETES[::2], DIABETES[1::2]])
    assert len(scores(outputs[0], "train:rmse")) == 8
    assert not scores(outputs[1], "train:rmse")
    (booster,) = model.load(tmp_path / "0/model")
    assert booster.num_boosted_rounds() == 8
    assert not list((tmp_path / "1/model").iterdir())


def test_a_host_without_data_takes_part(tmp_path: Path) -> None:
    outputs = together(tmp_path, {"num_round": "3", "tree_method": "hist"}, [DIABETES, DIABETES[:0]])
    assert len(scores(outputs[0], "train:rmse")) == 3


def together(tmp_path: Path, hyperparameters: dict[str, str], parts: list[Any]) -> list[str]:
    """Each part on a host of its own; both names lead to this machine, as `algo-1` and `algo-2` lead to theirs."""
    hosts = ["127.0.0.1", "localhost"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    jobs = [Job(tmp_path / str(number), hyperparameters) for number in range(2)]
    for job, host, rows in zip(jobs, hosts, parts, strict=True):
        job.port = port
        job.config("resourceconfig", {"hosts": hosts, "current_host": host})
        if len(rows):
            csv(job.data("train") / "part.csv", rows)
    with jobs[0].start() as first, jobs[1].start() as second:
        outputs = [process.communicate(timeout=280)[0] for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0], outputs
    return outputs


@pytest.mark.parametrize(
    ("hyperparameters", "content", "failure"),
    [
        ({}, "1,2\n", "Missing required hyperparameter: num_round"),
        ({"num_round": "1"}, "", "No data in train channel path"),
        ({"num_round": "1"}, "target,age\n1,2\n", "Failed to load csv data: could not convert string to float"),
        ({"num_round": "1"}, "1\n2\n", "The data has 1 columns: a label and at least one feature are needed"),
        ({"num_round": "1"}, "1,2\n1,2,3\n", "Failed to load csv data"),
        ({"num_round": "1", "objective": "binary:logistic"}, "7,1\n8,2\n", "XGB train call failed with exception:"),
        (
            {"num_round": "1", "early_stopping_rounds": "2"},
            "7,1\n8,2\n",
            "early_stopping_rounds needs a validation channel",
        ),
    ],
)
def test_the_callers_mistakes_are_told(
    tmp_path: Path, hyperparameters: dict[str, str], content: str, failure: str
) -> None:
    job = Job(tmp_path, hyperparameters)
    (job.data("train") / "a.csv").write_text(content)
    code, output = job.run()
    assert code == train.USER_ERROR, output
    assert failure in job.failure


def test_an_unknown_content_type_is_refused(tmp_path: Path) -> None:
    job = Job(tmp_path, {"num_round": "1"}, "text/csv;label_size=2")
    (job.data("train") / "a.csv").write_text("1,2,3\n")
    assert job.run()[0] == train.USER_ERROR
    assert "label_size must be 1" in job.failure


def test_termination_keeps_the_model_when_asked(tmp_path: Path) -> None:
    job = Job(tmp_path, {"num_round": "1000000", "save_model_on_termination": "true", "max_depth": "2"})
    csv(job.data("train") / "a.csv", DIABETES)
    with job.start() as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("[20]"):
                break
        running.terminate()
        running.communicate(timeout=280)
    assert running.returncode == 0
    (booster,) = model.load(tmp_path / "model")
    assert booster.num_boosted_rounds() > 20


def test_starting_leaves_out_what_only_the_scikit_learn_interface_needs() -> None:
    look = "import sys; import clary.algorithms.xgboost.start; print('sklearn' in sys.modules); import sklearn.svm"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
