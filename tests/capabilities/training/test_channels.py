"""Every way in which data reaches user code, on a real Clary: Pipe, FastFile, augmented manifests, file systems."""

import gzip
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET, FILE_SYSTEM, Journey, data
from tests.capabilities.training.records import request

pytestmark = pytest.mark.timeout(600)

READ = """
import os, sys, time
def whole(number, name="train"):
    path = f"/opt/ml/input/data/{name}_{number}"
    while number and not os.path.exists(path):
        time.sleep(0.01)
    with open(path, "rb") as pipe:
        return pipe.read()
"""


def piped(name: str, key: str, **more: Any) -> dict[str, Any]:
    return data(name, key, InputMode="Pipe", **more)


def group(name: str, count: int = 1) -> dict[str, Any]:
    return {"InstanceGroupName": name, "InstanceType": "ml.m5.large", "InstanceCount": count}


def test_objects_in_a_row_pass_after_pass(journey: Journey) -> None:
    for number in range(3):
        journey.put(f"rows/{number}.csv", f"{number}\n".encode())
    journey.put("rows/deep/", b"")
    journey.put("packed/a.gz", gzip.compress(b"packed"))
    script = """
with open("/opt/ml/input/data/train_0", "rb") as first:
    print("early", first.read(2))
print(whole(1), whole(2), whole(0, "packed"))
print(open("/opt/ml/input/data/train-manifest").read().split())
print(open("/opt/ml/input/config/inputdataconfig.json").read())
"""
    found = journey.run(
        "row",
        script=READ + script,
        algorithm={"TrainingInputMode": "Pipe"},
        InputDataConfig=[data("train", "rows/"), data("packed", "packed/", CompressionType="Gzip")],
    )
    assert found["TrainingJobStatus"] == "Completed", journey.told("row")
    lines = journey.log("row")
    assert lines[lines.index("early b'0\\n'") + 1] == "b'0\\n1\\n2\\n' b'0\\n1\\n2\\n' b'packed'"
    address = f"s3://{BUCKET}/rows/"
    assert str([address, *(f"{address}{number}.csv" for number in range(3))]) in lines
    config = json.loads(next(line for line in lines if line.startswith('{"train')))
    assert config["train"]["TrainingInputMode"] == "Pipe"


def test_recordio_of_an_augmented_manifest(journey: Journey) -> None:
    journey.put("images/1", b"\x89PNG")
    journey.put("images/2", b"")
    lines = [
        {"image-ref": f"s3://{BUCKET}/images/1", "is-a-cat": 1, "note": "ü"},
        {"note": {"a": [1.0, None]}, "is-a-cat": 0, "image-ref": f"s3://{BUCKET}/images/2"},
    ]
    journey.put("images.manifest", "\n".join(map(json.dumps, lines)).encode() + b"\n\n")
    script = """
from clary.algorithms.recordio import frames
print([bytes(frame) for frame in frames(whole(0))], whole(0, "plain"))
"""
    source = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["image-ref", "is-a-cat", "note"]}
    found = journey.run(
        "augmented",
        script=READ + script,
        InputDataConfig=[
            piped("train", "images.manifest", source=source, RecordWrapperType="RecordIO"),
            piped("plain", "images.manifest", source=source | {"AttributeNames": ["is-a-cat"]}),
        ],
    )
    assert found["TrainingJobStatus"] == "Completed", journey.told("augmented")
    expected = [b"\x89PNG", b"1", "ü".encode(), b"", b"0", b'{"a":[1.0,null]}']
    assert f"{expected} b'10'" in journey.log("augmented")


def test_shuffled_shards_move_between_groups_hosts(journey: Journey) -> None:
    for number in range(8):
        journey.put(f"moves/{number}", b"%d" % number)
    script = """
import json
print("HOST", json.load(open("/opt/ml/input/config/resourceconfig.json"))["current_group_name"])
print("GOT", *(whole(number).decode() for number in range(2)), sorted(os.listdir("/opt/ml/input/data/files")))
"""
    sharded = {"S3DataDistributionType": "ShardedByS3Key"}
    groups = [group("big"), group("small"), group("idle")]
    found = journey.run(
        "moving",
        script=READ + "if os.environ['SM_CURRENT_HOST'] == 'algo-3': sys.exit(os.path.exists('/opt/ml/input/data'))\n"
        f"{script}",
        InputDataConfig=[
            piped(
                "train",
                "moves/",
                ShuffleConfig={"Seed": 3},
                source=sharded | {"InstanceGroupNames": ["big", "small"]},
            ),
            data(
                "files", "moves/", ShuffleConfig={"Seed": 3}, source=sharded | {"InstanceGroupNames": ["big", "small"]}
            ),
        ],
        ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 1},
    )
    assert found["TrainingJobStatus"] == "Completed", journey.told("moving")
    got = []
    for host, name in (("algo-1", "big"), ("algo-2", "small")):
        lines = journey.log("moving", host)
        assert f"HOST {name}" in lines
        first, second, files = next(line for line in lines if line.startswith("GOT "))[4:].split(" ", 2)
        assert files == str(sorted(first)), "File mode deals as the first pass does"
        got.append((first, second))
    assert [sorted(got[0][each] + got[1][each]) for each in (0, 1)] == [list("01234567")] * 2
    assert set(got[0][0]) != set(got[0][1])


def test_fast_file_shows_a_folder(journey: Journey) -> None:
    for key in ("fast/in/a.csv", "fast/in/deep/b.csv", "fast/inside.csv"):
        journey.put(key, key.encode())
    script = """
for top, _, names in os.walk("/opt/ml/input/data/train"):
    print(top, sorted(names))
try:
    os.unlink("/opt/ml/input/data/train/a.csv")
except OSError as error:
    print(error.strerror)
"""
    found = journey.run("fast", script=READ + script, InputDataConfig=[data("train", "fast/in", InputMode="FastFile")])
    assert found["TrainingJobStatus"] == "Completed", journey.told("fast")
    folder = "/opt/ml/input/data/train"
    assert [line for line in journey.log("fast") if line.startswith((folder, "Read-only"))] == [
        f"{folder} ['a.csv']",
        f"{folder}/deep ['b.csv']",
        "Read-only file system",
    ]


def shared(name: str, path: str, mode: str = "ro", system: str = FILE_SYSTEM, **more: Any) -> dict[str, Any]:
    source = {
        "FileSystemId": system,
        "FileSystemAccessMode": mode,
        "FileSystemType": "EFS",
        "DirectoryPath": path,
    }
    return {"ChannelName": name, "DataSource": {"FileSystemDataSource": source}, **more}


def test_directories_of_a_file_system(journey: Journey) -> None:
    (journey.shared / "data").mkdir()
    (journey.shared / "results").mkdir()
    (journey.shared / "data/a.txt").write_text("from the file system")
    script = """
print(open("/opt/ml/input/data/train/a.txt").read())
try:
    open("/opt/ml/input/data/train/b", "w")
except OSError as error:
    print(error.strerror)
open("/opt/ml/input/data/results/kept", "w").write("kept")
"""
    found = journey.run(
        "shared", script=script, InputDataConfig=[shared("train", "/data"), shared("results", "/results", "rw")]
    )
    assert found["TrainingJobStatus"] == "Completed", journey.told("shared")
    assert {"from the file system", "Read-only file system"} <= set(journey.log("shared"))
    assert (journey.shared / "results/kept").read_text() == "kept"


@pytest.mark.parametrize("path", ["/missing", "/out", "/round", "/file"])
def test_directories_that_are_none_of_the_file_system(journey: Journey, path: str) -> None:
    for name, target in (("out", journey.shared.parent), ("round", "round"), ("file", "/etc/hostname")):
        if not (journey.shared / name).is_symlink():
            (journey.shared / name).symlink_to(target)
    name = f"shared-{path[1:]}"
    found = journey.run(name, script="pass", InputDataConfig=[shared("train", path)])
    assert (found["TrainingJobStatus"], found["FailureReason"]) == (
        "Failed",
        f"ClientError: Unable to mount file system '{FILE_SYSTEM}': there is no directory {path} in it.",
    )


AUGMENTED = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["x-ref"]}
LISTED = {"S3DataType": "ManifestFile"}
DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("name", "body", "source", "message"),
    [
        ("lines", b"{}\nnot json", AUGMENTED, "line 1 of the augmented manifest {uri} has no attribute x-ref"),
        ("json", b"not json\n", AUGMENTED, "line 1 of the augmented manifest {uri} is not a JSON object"),
        ("deep", DEEP, AUGMENTED, "line 1 of the augmented manifest {uri} is not a JSON object"),
        ("list", b"\n[1]", AUGMENTED, "line 2 of the augmented manifest {uri} is not a JSON object"),
        ("number", b'{"x-ref": 1}', AUGMENTED, "x-ref in line 1 of the augmented manifest {uri} is not an S3 URI"),
        (
            "elsewhere",
            b'{"x-ref": "s3://not-mine/x"}',
            AUGMENTED,
            "'s3://not-mine/x' of the augmented manifest {uri} does not exist",
        ),
        ("plain-deep", DEEP, LISTED, "the manifest {uri} is not a JSON list of a prefix object and key suffixes"),
        (
            "surrogate",
            b'[{"prefix": "s3://journeys/"}, "\\ud800"]',
            LISTED,
            "the manifest {uri} is not a JSON list of a prefix object and key suffixes",
        ),
        ("missing", b'[{"prefix": "s3://journeys/"}, "no"]', LISTED, "s3://journeys/no of the manifest does not exist"),
        (
            "climbing",
            b'[{"prefix": "s3://journeys/"}, "../x"]',
            LISTED,
            "s3://journeys/../x of the manifest does not exist",
        ),
    ],
)
def test_bad_manifests(journey: Journey, name: str, body: bytes, source: Mapping[str, Any], message: str) -> None:
    journey.put(f"bad/{name}", body)
    found = journey.run(f"bad-{name}", script="pass", InputDataConfig=[piped("train", f"bad/{name}", source=source)])
    why = message.format(uri=f"s3://{BUCKET}/bad/{name}")
    assert (found["TrainingJobStatus"], found["FailureReason"]) == (
        "Failed",
        f"ClientError: Data download failed: {why}",
    )


def test_data_that_is_not_what_it_is_said_to_be(journey: Journey) -> None:
    journey.put("bad-gzip/a", gzip.compress(os.urandom(100_000)))
    journey.put("bad-gzip/b", b"plain")
    found = journey.run(
        "bad-gzip", script=READ + "whole(0)", InputDataConfig=[piped("train", "bad-gzip/", CompressionType="Gzip")]
    )
    assert (found["TrainingJobStatus"], found["FailureReason"]) == (
        "Failed",
        f"ClientError: Data download failed: s3://{BUCKET}/bad-gzip/b: not a valid gzip file (Error -3 while "
        "decompressing data: incorrect header check)",
    )


def test_built_in_xgboost_reads_pipes_on_two_hosts(journey: Journey) -> None:
    for number in range(4):
        rows = [f"{(number + row) % 2},{row},{(number + row) % 2}" for row in range(25)]
        journey.put(f"piped-rows/{number}.csv.gz", gzip.compress("\n".join([*rows, ""]).encode()))
    train = piped(
        "train",
        "piped-rows/",
        ContentType="text/csv",
        CompressionType="Gzip",
        source={"S3DataDistributionType": "ShardedByS3Key"},
    )
    found = journey.run(
        "piped-boost",
        "xgboost",
        count=2,
        hyperparameters={"num_round": "2", "objective": "binary:logistic", "eval_metric": "error"},
        InputDataConfig=[train],
    )
    assert found["TrainingJobStatus"] == "Completed", journey.told("piped-boost")
    for host in ("algo-1", "algo-2"):
        assert "[INFO] Train matrix has 50 rows and 2 columns" in journey.log("piped-boost", host)
    found = journey.run(
        "piped-libsvm",
        "xgboost",
        hyperparameters={"num_round": "2"},
        InputDataConfig=[train | {"ContentType": "text/libsvm"}],
    )
    assert found["FailureReason"] == "ClientError: Pipe mode not supported for LibSVM., exit code: 2"


def test_names_of_all_kinds(journey: Journey) -> None:
    """Keys of any characters are files, or parts of a stream, under their own names or none."""
    keys = ["ünï/cödé.csv", "a b\tc", "$(touch x);'\"", "-rf", "emoji 🐈", "back\\slash"]
    for key in keys:
        journey.put(f"named/{key}")
    script = """
found = {os.path.relpath(os.path.join(top, name), "/opt/ml/input/data/train")
         for top, _, names in os.walk("/opt/ml/input/data/train") for name in names}
print(ascii(sorted(found)), whole(0, "piped"))
"""
    inputs = [data("train", "named/"), piped("piped", "named/")]
    found = journey.run("names", script=READ + script, InputDataConfig=inputs)
    assert found["TrainingJobStatus"] == "Completed", journey.told("names")
    assert f"{sorted(keys)!a} {b'x' * len(keys)}" in journey.log("names")


GROUPS = {"InstanceGroups": [group("big")], "VolumeSizeInGB": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"InputDataConfig": [data("a", "exists", source=AUGMENTED)]}, "is only supported with InputMode Pipe"),
        (
            {"InputDataConfig": [piped("a", "exists", source={"S3DataType": "AugmentedManifestFile"})]},
            "AttributeNames is required",
        ),
        (
            {"InputDataConfig": [data("a", "exists", InputMode="FastFile", source=LISTED)]},
            "only supported with S3Prefix",
        ),
        ({"InputDataConfig": [data("a", "exi", InputMode="FastFile")]}, "No S3 objects found under S3 URL"),
        ({"InputDataConfig": [piped("a", "exists"), data("a_0", "exists")]}, "would stand where the pipes"),
        ({"InputDataConfig": [shared("a", "/", system="fs-00000000")]}, "File system 'fs-00000000' does not exist"),
        ({"InputDataConfig": [shared("a", "/../x")]}, "is not an absolute DirectoryPath"),
        ({"InputDataConfig": [shared("a", "/", InputMode="Pipe")]}, "only supported with InputMode File"),
        ({"InputDataConfig": [{"ChannelName": "a", "DataSource": {}}]}, "no DataSource is not available"),
        (
            {
                "InputDataConfig": [data("a", "exists", source={"InstanceGroupNames": ["small"]})],
                "ResourceConfig": GROUPS,
            },
            "there is no instance group small",
        ),
        (
            {"InputDataConfig": [data("a", "exists", source={"InstanceGroupNames": ["b"]})]},
            "there is no instance group b",
        ),
        (
            {"ResourceConfig": {"InstanceGroups": [group("b"), group("b")], "VolumeSizeInGB": 1}},
            "names of InstanceGroups must be unique",
        ),
        ({"ResourceConfig": {"InstanceGroups": [group("b", 0)], "VolumeSizeInGB": 1}}, "must be at least 1"),
        (
            {"ResourceConfig": {**GROUPS, "InstanceCount": 1, "InstanceType": "ml.m5.large"}},
            "cannot be given together with",
        ),
    ],
)
def test_requests_refused_at_once(journey: Journey, changed: dict[str, Any], message: str) -> None:
    journey.put("exists")
    wanted = {"OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out"}, **changed}
    with pytest.raises(ClientError, match=message) as caught:
        journey.sagemaker.create_training_job(**request("refused", **wanted))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
