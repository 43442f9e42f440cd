"""What a compilation job's record becomes: a workload without network, credentials or anything else of the server's."""

import json
from pathlib import Path

from tests.capabilities.compilation.records import job

from clary.capabilities.compilation.plan import plan
from clary.capabilities.jobs.site import Site
from clary.runtime.workload import Instance, Limits, Mount, Workload

SITE = Site(
    jobs=Path("/home/jobs"),
    wake="/home/wake",
    endpoint="http://127.0.0.1:8470",
    limits=Limits(cpus=2.5, memory_bytes=4096),
    logs={"algo-1": "/home/log"},
    credentials={"AWS_SECRET_ACCESS_KEY": "secret"},
)


def test_the_workload() -> None:
    output = {"TargetDevice": "ml_m5", "CompilerOptions": '{"dtype": "int8", "mcpu": "core-avx2"}'}
    found = plan(job(framework="ONNX", DataInputConfig="{'data': [1,3]}", output=output), SITE)
    told = {
        "framework": "ONNX",
        "data_input_config": "{'data': [1,3]}",
        "target": "ml_m5",
        "device": "cpu",
        "dtype": "int8",
        "input_dtype": "float32",
        "threads": 2,
        "notes": ["CompilerOptions that mean nothing here: mcpu."],
    }
    staged = "/home/jobs/00000000000000000000abcd/staged/input"
    assert found == Workload(
        id="00000000000000000000abcd",
        key="00000000000000000000abcd",
        wake="/home/wake",
        image="785573368785.dkr.ecr.us-east-1.amazonaws.com/sagemaker-neo-onnx:1.7-cpu-py3",
        purpose="process",
        entrypoint=("python", "-m", "clary.compiler.job"),
        folders=("/opt/ml/model", "/opt/ml/output", "/opt/ml/unpacked"),
        instances=(
            Instance(
                host="algo-1",
                log="/home/log",
                files={"/opt/ml/input/config/compilationjob.json": json.dumps(told).encode()},
                mounts=(Mount(source=staged, target="/opt/ml/input/archive"),),
            ),
        ),
        limits=Limits(cpus=2.5, memory_bytes=4096, run_seconds=600, grace_seconds=30.0),
        isolated=True,
        endpoint="http://127.0.0.1:8470",
        objects=found.objects,
    )
    assert list(found.objects) == [staged]


def test_tensorflow_models_are_compiled_in_tensorflows_runtime() -> None:
    found = plan(job(framework="TENSORFLOW"), SITE)
    assert found.image == "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:clary-compiler"
