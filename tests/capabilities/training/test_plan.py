"""From requests to workloads, config files and delivered objects."""

import json
from pathlib import Path
from typing import Any

from tests.capabilities.training.records import IMAGES, channel, job

from clary.algorithms.xgboost.spec import SPEC
from clary.capabilities.jobs.reaching import log_stream
from clary.capabilities.jobs.site import Site
from clary.capabilities.training.places import model_artifacts
from clary.capabilities.training.plan import plan
from clary.runtime.workload import Instance, Limits, Metric, Mount, Workload

SITE = Site(
    jobs=Path("/home/jobs"),
    wake="/home/controller.sock",
    endpoint="http://127.0.0.1:1",
    limits=Limits(cpus=1.5, memory_bytes=8),
    logs={"algo-1": "/logs/1", "algo-2": "/logs/2"},
    credentials={"AWS_ACCESS_KEY_ID": "K"},
    plugin=Path("/plugin"),
)
ID = "00000000000000000000abcd"
STAGED = f"/home/jobs/{ID}/staged"


def without_files(workload: Workload) -> Workload:
    """Config files are compared by themselves."""
    import msgspec

    instances = tuple(msgspec.structs.replace(instance, files={}) for instance in workload.instances)
    return msgspec.structs.replace(workload, instances=instances)


def files(workload: Workload, number: int = 0) -> dict[str, Any]:
    return {Path(name).name: json.loads(content) for name, content in workload.instances[number].files.items()}


def test_a_script_job() -> None:
    record = job(
        HyperParameters={"sagemaker_submit_directory": '"s3://bucket/source.tar.gz"', "sagemaker_program": '"t.py"'},
        InputDataConfig=[channel("train", "s3://bucket/in"), channel("code", "s3://bucket/code/")],
        Environment={"MINE": "1", "AWS_REGION": "eu-west-1", "PYTHONPATH": "/x"},
        algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}]},
    )
    inputs = "/opt/ml/input/data"
    assert without_files(plan(record, SITE)) == Workload(
        id=ID,
        key=ID,
        wake="/home/controller.sock",
        image=IMAGES["sklearn"],
        purpose="train",
        environment={
            "TRAINING_JOB_NAME": "job",
            "TRAINING_JOB_ARN": record.arn,
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DMLC_INTERFACE": "eth0",
            "CLARY_CPUS": "2",
            "CLARY_SOURCE_ARCHIVE": "/opt/clary/source/sourcedir.tar.gz",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "S3_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_ACCESS_KEY_ID": "K",
            "BOTOCORE_EXPERIMENTAL__PLUGINS": "clary=clary_client",
            "PYTHONPATH": "/x:/opt/clary/client",
            "MINE": "1",
        },
        folders=("/opt/ml/model", "/opt/ml/output", "/opt/ml/output/data"),
        instances=(
            Instance(
                host="algo-1",
                log="/logs/1",
                mounts=(
                    Mount(source=f"{STAGED}/channels/all/train", target=f"{inputs}/train"),
                    Mount(source=f"{STAGED}/manifests/train", target=f"{inputs}/train-manifest"),
                    Mount(source=f"{STAGED}/channels/all/code", target=f"{inputs}/code", private=True),
                    Mount(source=f"{STAGED}/manifests/code", target=f"{inputs}/code-manifest"),
                    Mount(source=f"{STAGED}/sourcedir.tar.gz", target="/opt/clary/source/sourcedir.tar.gz"),
                    Mount(source="/plugin", target="/opt/clary/client"),
                ),
                unpacked={"/opt/ml/code": f"{STAGED}/sourcedir.tar.gz"},
            ),
        ),
        limits=Limits(cpus=1.5, memory_bytes=8, run_seconds=600, grace_seconds=120.0),
        endpoint="http://127.0.0.1:1",
        objects={
            f"{STAGED}/sourcedir.tar.gz": f"{STAGED}/objects/sourcedir.tar.gz",
            f"{STAGED}/channels/all/train": f"{STAGED}/objects/channels%2Fall%2Ftrain",
            f"{STAGED}/channels/all/code": f"{STAGED}/objects/channels%2Fall%2Fcode",
        },
        metrics=(Metric(name="loss", regex="loss=(.*)"),),
    )


def test_isolation_leaves_no_credentials_and_no_way_out() -> None:
    found = plan(job(EnableNetworkIsolation=True), SITE)
    assert found.isolated
    assert found.environment == {
        "TRAINING_JOB_NAME": "job",
        "TRAINING_JOB_ARN": job().arn,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DMLC_INTERFACE": "eth0",
        "CLARY_CPUS": "2",
    }
    assert found.instances[0].mounts == ()


def test_own_entrypoints_replace_the_toolkit() -> None:
    found = plan(
        job(
            framework="xgboost",
            algorithm={"ContainerEntrypoint": ["/bin/bash"], "ContainerArguments": ["-c", "true"]},
            HyperParameters={"sagemaker_submit_directory": '"s3://bucket/source.tar.gz"'},
        ),
        SITE,
    )
    assert (found.entrypoint, found.arguments) == (("/bin/bash",), ("-c", "true"))
    assert found.metrics == ()
    assert "CLARY_SOURCE_ARCHIVE" not in found.environment


def test_a_built_in_algorithm_brings_its_module_and_metrics() -> None:
    found = plan(job(framework="xgboost"), SITE)
    assert found.environment["SAGEMAKER_TRAINING_MODULE"] == "clary.algorithms.xgboost.start:main"
    assert len(found.metrics) == len(SPEC.metrics)


def test_config_files_of_several_hosts() -> None:
    record = job(
        count=2,
        HyperParameters={"a": "1"},
        InputDataConfig=[
            channel(
                "train", "s3://bucket/in", ContentType="text/csv", source={"S3DataDistributionType": "ShardedByS3Key"}
            )
        ],
        CheckpointConfig={"S3Uri": "s3://bucket/checkpoints"},
    )
    workload = plan(record, SITE)
    found = files(workload, 1)
    echoed = found.pop("trainingjobconfig.json")
    assert found == {
        "hyperparameters.json": {"a": "1"},
        "inputdataconfig.json": {
            "train": {
                "ContentType": "text/csv",
                "TrainingInputMode": "File",
                "S3DistributionType": "ShardedByS3Key",
                "RecordWrapperType": "None",
            }
        },
        "resourceconfig.json": {
            "current_host": "algo-2",
            "current_instance_type": "ml.m5.large",
            "current_group_name": "homogeneousCluster",
            "hosts": ["algo-1", "algo-2"],
            "instance_groups": [
                {
                    "instance_group_name": "homogeneousCluster",
                    "instance_type": "ml.m5.large",
                    "hosts": ["algo-1", "algo-2"],
                }
            ],
            "network_interface_name": "eth0",
        },
        "init-config.json": {
            "inputMode": "FILE",
            "channels": {"train": {"s3DataType": "S3_PREFIX", "s3Uri": "s3://bucket/in", "sharded": True}},
            "checkpointChannel": {"S3Uri": "s3://bucket/checkpoints"},
            "hostConfig": {"clusterSize": 2, "hostNumber": 1},
            "jobRunInfo": {"jobRunNumber": 1},
        },
        "metric-definition-regex.json": [],
        "upstreamoutputdataconfig.json": [],
        "checkpointconfig.json": {"LocalPath": "/opt/ml/checkpoints"},
    }
    (entry,) = echoed["InputDataConfig"]
    assert entry["DataSource"]["S3DataSource"]["S3DataDistributionType"] == "SHARDED_BY_S3_KEY"
    assert "/opt/ml/checkpoints" in workload.folders
    assert workload.seeds == {"/opt/ml/checkpoints": f"{STAGED}/checkpoints"}
    assert workload.instances[1].mounts[0].source == f"{STAGED}/channels/algo-2/train"


def test_instance_groups_share_one_numbering_and_choose_their_channels() -> None:
    groups = [
        {"InstanceGroupName": "big", "InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "small", "InstanceType": "ml.m5.large", "InstanceCount": 10},
    ]
    record = job(
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1},
        InputDataConfig=[channel("train", "s3://bucket/in", source={"InstanceGroupNames": ["big"]})],
    )
    workload = plan(record, SITE)
    resources = files(workload, 1)["resourceconfig.json"]
    assert resources["hosts"][:3] == ["algo-1", "algo-10", "algo-11"]
    assert (resources["current_group_name"], resources["current_instance_type"]) == ("small", "ml.m5.large")
    assert files(workload, 0)["inputdataconfig.json"].keys() == {"train"}
    assert files(workload, 1)["inputdataconfig.json"] == {}


def test_places() -> None:
    assert model_artifacts(job()) == "s3://bucket/out/job/output/model.tar.gz"
    plain = {"S3OutputPath": "s3://bucket", "CompressionType": "NONE"}
    assert model_artifacts(job(OutputDataConfig=plain)) == "s3://bucket/job/output/model/"
    assert log_stream(job(), "algo-1") == "job/algo-1-1000500"
