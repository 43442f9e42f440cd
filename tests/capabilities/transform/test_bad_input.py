"""What CreateTransformJob refuses, and keys and manifests that mean harm."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.transform.journey import BUCKET, Journey, request

JOIN = {"JoinSource": "Input"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ModelName": "nobody"}, 'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/nobody"'),
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB 101 is greater than 100"),
        ({"MaxPayloadInMB": 51, "MaxConcurrentTransforms": 2}, "must not exceed 100 MB, and is 102 MB"),
        ({"DataProcessing": {"InputFilter": "$..x"}}, "DataProcessing.InputFilter is not a supported JSONPath"),
        ({"DataProcessing": {"OutputFilter": "x"}}, "DataProcessing.OutputFilter is not a supported JSONPath"),
        ({"DataProcessing": JOIN, "TransformInput": {"ContentType": "image/png"}}, "need CSV or JSON records"),
        ({"DataProcessing": JOIN, "TransformInput": {"SplitType": "TFRecord"}}, "need CSV or JSON records"),
        (
            {"DataProcessing": JOIN, "TransformInput": {"SplitType": "None"}},
            "needs SplitType Line and AssembleWith Line",
        ),
        (
            {"DataProcessing": JOIN, "TransformOutput": {"AssembleWith": "None"}},
            "needs SplitType Line and AssembleWith",
        ),
        ({"DataProcessing": JOIN, "TransformOutput": {"Accept": "application/json"}}, "needs the same type in and out"),
        ({"TransformInput": {"ContentType": "text/csv\r\nx: y"}}, "is not a MIME type|failed to satisfy"),
        ({"TransformOutput": {"Accept": "text/\u00e9"}}, "is not a MIME type"),
        ({"S3DataSource": {"S3Uri": f"s3://{BUCKET}/nothing/here"}}, "No S3 objects found under S3 URL"),
        ({"S3DataSource": {"S3Uri": "s3://not-there/x"}}, "No S3 objects found under S3 URL"),
        ({"S3DataSource": {"S3DataType": "AugmentedManifestFile"}}, "AugmentedManifestFile is not supported"),
        ({"S3DataSource": {"S3DataType": "Converse"}}, "S3DataType Converse is not supported yet. Write"),
        ({"TransformOutput": {"S3OutputPath": "s3://not-there/x"}}, "Failed to access S3 output location"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://not-there/x"}}, "Failed to access S3 data capture location"),
        ({"Environment": {f"A{number}": "x" for number in range(17)}}, "less than or equal to 16"),
    ],
)
def test_refused(journey: Journey, more: dict[str, Any], words: str) -> None:
    journey.put("refused/in/a", "1,2")
    with pytest.raises(ClientError, match=words) as caught:
        journey.sagemaker.create_transform_job(**request("refused", "refused/in/", **more))
    unbuilt = "not supported yet" in words
    assert caught.value.response["Error"]["Code"] == ("NotImplemented" if unbuilt else "ValidationException")


def test_names(journey: Journey) -> None:
    with pytest.raises(ClientError, match="Requested resource not found"):
        journey.describe("nobody")
    with pytest.raises(ClientError, match="Requested resource not found"):
        journey.sagemaker.stop_transform_job(TransformJobName="nobody")


def test_hostile_keys(journey: Journey) -> None:
    """Names that would leave a folder are names like others: nothing of a job's files is called by them."""
    hostile = ["../../../up", "a//b", "/root", "x" * 1000, "\u2028 \\ %2e", "dir", "dir/below"]
    for key in hostile:
        journey.put(f"hostile/in/{key}", "1,a")
    journey.create("hostile", DataProcessing=JOIN)
    names = ["../../../up", "a//b", "x" * 1000, "nothing"]
    journey.put("lying/m", json.dumps([{"prefix": f"s3://{BUCKET}/hostile/in/"}, *names]))
    journey.create("lying", "lying/m", S3DataSource={"S3DataType": "ManifestFile"})
    journey.put("odd/m", '[{"prefix": 7}]')
    journey.create("odd", "odd/m", S3DataSource={"S3DataType": "ManifestFile"})
    described = journey.finished("hostile")
    assert described["TransformJobStatus"] == "Completed", journey.told("hostile")
    assert journey.out("hostile") == {f"{key}.out": "1,a,A\n" for key in hostile}
    assert "of the manifest does not exist" in journey.finished("lying")["FailureReason"]
    assert "is not a JSON list of a prefix object" in journey.finished("odd")["FailureReason"]


def test_an_output_whose_name_s3_refuses(journey: Journey) -> None:
    journey.put("long/in/a", "1,a")
    journey.put("long/in/" + "x" * 1016, "1,a")
    journey.create("long")
    described = journey.finished("long")
    assert described["TransformJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: Failed to upload 'long/out/xxx")
    assert journey.out("long") == {"a.out": "A\n"}
