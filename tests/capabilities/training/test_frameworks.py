"""TensorFlow and HuggingFace jobs that really run, alone and on two hosts."""

import json
from typing import Any

import pytest
from tests.capabilities.training.journey import Journey
from tests.databases import POSTGRESQL

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(POSTGRESQL, reason="what frameworks do is the same on every database, and takes long"),
]

REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
TENSORFLOW = f"{REGISTRY}/tensorflow-training:2.19.0-cpu-py312-ubuntu22.04-sagemaker"
HUGGINGFACE = f"{REGISTRY}/huggingface-pytorch-training:2.1.0-transformers4.36.0-cpu-py310-ubuntu20.04"
TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}

SERVED = """
import json, os, time
import tensorflow as tf

told = json.loads(os.environ["TF_CONFIG"])
task = told["task"]
print("task", task["type"], task["index"], sorted(told["cluster"]), flush=True)
# What the parameter servers hold, every host can change: one adds 1, the other 2.
tf.compat.v1.disable_eager_execution()
server = tf.distribute.Server(told["cluster"], job_name=task["type"], task_index=task["index"])
with tf.device("/job:ps/task:1"):
    total = tf.compat.v1.get_variable("total", shape=(), initializer=tf.compat.v1.zeros_initializer(), dtype=tf.int32)
add = tf.compat.v1.assign_add(total, 1 if task["type"] == "master" else 2)
with tf.compat.v1.train.MonitoredTrainingSession(server.target, is_chief=task["type"] == "master") as session:
    session.run(add)
    while session.run(total) < 3:
        time.sleep(0.1)
print("total=3", flush=True)
"""

TRANSFORMER = """
import os
import torch
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

data = Dataset.from_dict({"input_ids": [[1, 2], [3, 4]] * 16, "labels": [0, 1] * 16})
config = BertConfig(vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
model = BertForSequenceClassification(config)
folder = os.environ["SM_OUTPUT_DATA_DIR"]
given = TrainingArguments(folder, num_train_epochs=2, report_to=[], use_cpu=True, save_strategy="no")
told = Trainer(model=model, args=given, train_dataset=data).train()
print("steps=%d loss=%.4f;" % (told.global_step, told.training_loss), flush=True)
model.save_pretrained(os.environ["SM_MODEL_DIR"])
"""


def run(journey: Journey, name: str, image: str, script: str, **more: Any) -> Any:
    algorithm = {"TrainingImage": image}
    return journey.run(name, script=script, algorithm=algorithm, **more)


def said(journey: Journey, name: str, host: str = "algo-1") -> str:
    return "\n".join(journey.log(name, host))


def test_tensorflows_parameter_servers_hold_variables_for_all(journey: Journey) -> None:
    switch = {"sagemaker_parameter_server_enabled": "true"}
    found = run(journey, "served", TENSORFLOW, SERVED, hyperparameters=switch, ResourceConfig=TWO)
    assert found["TrainingJobStatus"] == "Completed", journey.told("served")
    first, second = said(journey, "served"), said(journey, "served", "algo-2")
    assert "task master 0 ['master', 'ps', 'worker']" in first and "task worker 0" in second
    assert "total=3" in first and "total=3" in second


def test_a_transformer_is_trained(journey: Journey) -> None:
    found = run(journey, "transformer", HUGGINGFACE, TRANSFORMER)
    assert found["TrainingJobStatus"] == "Completed", journey.told("transformer")
    assert "steps=8 loss=" in said(journey, "transformer")
    assert journey.archive("transformer").keys() == {"config.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("switch", "value", "name"),
    [
        ("sagemaker_distributed_dataparallel_enabled", "true", "smdistributed.dataparallel"),
        ("mp_parameters", json.dumps({"partitions": 2}), "smdistributed.modelparallel"),
    ],
)
def test_a_library_of_awss_is_refused_by_name(journey: Journey, switch: str, value: str, name: str) -> None:
    job = f"refused-{name.rpartition('.')[2]}"
    found = journey.run(job, script="print(1)", hyperparameters={switch: value})
    assert found["FailureReason"] == (
        f"AlgorithmError: DistributionError: {name} is not available here: its library comes with AWS's images only.,"
        " exit code: 1"
    )
