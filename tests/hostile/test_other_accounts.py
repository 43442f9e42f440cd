"""A stranger who knows the names, addresses and ARNs of another account's things learns and changes nothing.

The operations come from what is built, their requests from the models: an operation that is added is tried too.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.training.journey import BUCKET
from tests.capabilities.training.records import IMAGES, ROLE, channel, request
from tests.hostile.shapes import service, smallest
from tests.hostile.signing import Request, Signer
from tests.hostile.site import ACCOUNT, STRANGER, Site
from tests.servers import wait_until

from clary.app import CAPABILITIES, COMPANIONS, operations

KINDS = {"TrainingJob": "training-job", "Model": "model", "EndpointConfig": "endpoint-config", "Endpoint": "endpoint"}
BUILT = sorted((each.service, each.name) for each in operations((*COMPANIONS, *CAPABILITIES)))
SAGEMAKER = [name for service, name in BUILT if service in ("sagemaker", "sagemaker-runtime")]
OWN, NOBODY = "own-thing-a", "own-thing-z"
"""What the owner has, and a name of the same length that nobody has."""

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)


@pytest.fixture(scope="module")
def belongings(site: Site) -> Iterator[dict[str, Any]]:
    """One of everything the owner can have, all called `OWN`; the test at the end sees that nothing of it changed."""
    site.s3.put_object(Bucket=BUCKET, Key="secret/model.tar.gz", Body=b"no archive")
    site.journey.create(OWN, algorithm={"ContainerEntrypoint": ["/bin/true"]})
    site.sagemaker.create_model(
        ModelName=OWN,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGES["sklearn"], "ModelDataUrl": f"s3://{BUCKET}/secret/model.tar.gz"},
    )
    variant = {"VariantName": "v", "ModelName": OWN, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    site.sagemaker.create_endpoint_config(EndpointConfigName=OWN, ProductionVariants=[variant])
    site.sagemaker.create_endpoint(EndpointName=OWN, EndpointConfigName=OWN)
    site.s3.put_object(Bucket=BUCKET, Key="secret/object", Body=b"the owner's")
    for name in KINDS:
        site.sagemaker.add_tags(ResourceArn=arn(name, OWN), Tags=[{"Key": "k", "Value": "v"}])
    _companions(site)
    site.journey.finished(OWN)
    before = _everything(site)
    yield before
    assert _everything(site) == before
    # No endpoint can be deleted while it is being created.
    wait_until(lambda: site.sagemaker.describe_endpoint(EndpointName=OWN)["EndpointStatus"] == "Failed")
    site.sagemaker.delete_endpoint(EndpointName=OWN)


def _companions(site: Site) -> None:
    logs, iam, kms = (site.client(name) for name in ("logs", "iam", "kms"))
    logs.create_log_group(logGroupName=OWN)
    logs.create_log_stream(logGroupName=OWN, logStreamName=OWN)
    logs.put_log_events(
        logGroupName=OWN, logStreamName=OWN, logEvents=[{"timestamp": 1_000_000_000_000, "message": "the owner's"}]
    )
    iam.create_user(UserName=OWN)
    iam.create_role(RoleName=OWN, AssumeRolePolicyDocument=TRUST)
    kms.create_alias(AliasName=f"alias/{OWN}", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])


def _everything(site: Site) -> dict[str, Any]:
    """What the owner sees of it; not lists, for the tests of other modules have things of the owner's made."""
    seen = {name: getattr(site.sagemaker, f"describe_{_snake(name)}")(**{f"{name}Name": OWN}) for name in KINDS}
    seen["Endpoint"] = {"Config": seen["Endpoint"]["EndpointConfigName"]}
    tags = {name: site.sagemaker.list_tags(ResourceArn=arn(name, OWN))["Tags"] for name in KINDS}
    found = {
        "tags": tags,
        "object": site.s3.get_object(Bucket=BUCKET, Key="secret/object")["Body"].read(),
        "role": site.client("iam").get_role(RoleName=OWN)["Role"],
        "user": site.client("iam").get_user(UserName=OWN)["User"],
        "log": site.client("logs").get_log_events(logGroupName=OWN, logStreamName=OWN)["events"],
        "key": site.client("kms").describe_key(KeyId=f"alias/{OWN}")["KeyMetadata"],
    }
    for value in seen.values():
        value.pop("ResponseMetadata", None)
    return seen | found


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:{KINDS[kind]}/{name}"


@pytest.mark.parametrize("operation", SAGEMAKER)
def test_other_accounts_names_are_names_of_nothing(site: Site, belongings: object, operation: str) -> None:
    """The same bytes for what another account has and for what nobody has."""
    for own, nobody in zip(_requests(operation, OWN), _requests(operation, NOBODY), strict=True):
        answers = [_ask(site.stranger, operation, request) for request in (own, nobody)]
        (status, told), (other_status, other_told) = answers
        assert (status, _without_times(told)) == (
            other_status,
            _without_times(other_told.replace(NOBODY.encode(), OWN.encode())),
        )
        assert b"the owner's" not in told
        if not operation.startswith("Create"):
            assert f":{ACCOUNT}:".encode() not in told.replace(str(own).encode(), b"") or status == 400


def _requests(operation: str, name: str) -> list[dict[str, Any]]:
    """With names, and with ARNs of every kind where any ARN is asked for."""
    of = "sagemaker-runtime" if operation.startswith("Invoke") else "sagemaker"
    shape = service(of).operation_model(operation).input_shape
    request = smallest(shape)
    names = {member: name for member in shape.members if member in {*(f"{kind}Name" for kind in KINDS), "NameContains"}}
    request |= names
    if "ResourceArn" in shape.members:
        return [request | {"ResourceArn": arn(kind, name)} for kind in KINDS]
    return [request]


def _ask(signer: Signer, operation: str, request: dict[str, Any]) -> tuple[int, bytes]:
    if not operation.startswith("Invoke"):
        answer = signer.send(signer.operation(operation, request))
        return answer.status, answer.body
    answer = signer.send(signer.sign(Request(path=f"/endpoints/{request['EndpointName']}/invocations", body=b"1,2")))
    return answer.status, answer.body


def _without_times(body: bytes) -> bytes:
    return re.sub(rb"\d{9,}(\.\d+)?", b"TIME", body)


COMPANION = [pair for pair in BUILT if pair[0] in ("iam", "logs", "kms")]
ALWAYS_OWN = {"CreateLogGroup", "CreateUser", "CreateRole", "CreatePolicy", "CreateKey", "CreateAlias"}
"""They make a thing of the stranger's own, whatever others have."""


@pytest.mark.parametrize(("of", "operation"), [pair for pair in COMPANION if pair[1] not in ALWAYS_OWN])
def test_other_accounts_names_in_the_companions(site: Site, belongings: object, of: str, operation: str) -> None:
    client = site.client(of, site.stranger)
    own, nobody = (_companion(site, of, operation, name) for name in (OWN, NOBODY))
    told = [_told(client, operation, request) for request in (own, nobody)]
    assert told[0] == re.sub(NOBODY, OWN, told[1])
    assert "the owner's" not in told[0]


def _companion(site: Site, of: str, operation: str, name: str) -> dict[str, Any]:
    shape = service(of).operation_model(operation).input_shape
    request = smallest(shape) if shape else {}
    members = {} if shape is None else shape.members
    named = {"RoleName", "UserName", "logGroupName", "logStreamName", "PolicyName", "logGroupNamePrefix"}
    request |= {member: name for member in members if member in named}
    if "KeyId" in members:
        request["KeyId"] = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/{name}"
    for member in ("resourceArn", "logGroupIdentifier"):
        if member in members and "logGroupName" not in members:
            request[member] = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{name}"
    return request


def _told(client: Any, operation: str, request: dict[str, Any]) -> str:
    try:
        answer = client._make_api_call(operation, request)
    except ClientError as error:
        answer = error.response
    answer["ResponseMetadata"] = answer["ResponseMetadata"]["HTTPStatusCode"]
    return str(answer)


def test_other_accounts_buckets(site: Site, belongings: object) -> None:
    """Every operation of S3 on another account's bucket and object is denied."""
    client = site.client("s3", site.stranger)
    allowed = []
    for operation in service("s3").operation_names:
        shape = service("s3").operation_model(operation).input_shape
        if shape is None or "Bucket" not in shape.members:
            continue
        request = smallest(shape) | {"Bucket": BUCKET} | ({"Key": "secret/object"} if "Key" in shape.members else {})
        with contextlib.suppress(ClientError):
            client._make_api_call(operation, request)
            allowed.append(operation)
    assert allowed == []
    client.create_bucket(Bucket="strangers-bucket")
    for source in (f"{BUCKET}/secret/object", f"{BUCKET}/secret%2Fobject"):
        with pytest.raises(ClientError) as caught:
            client.copy_object(Bucket="strangers-bucket", Key="stolen", CopySource=source)
        assert caught.value.response["Error"]["Code"] == "AccessDenied"


def test_other_accounts_data_and_roles_in_jobs(site: Site, belongings: object) -> None:
    """The words are those of a bucket that does not exist."""
    client, role = site.client("sagemaker", site.stranger), _role(site)

    def refused(**members: Any) -> str:
        wanted = {**request("stranger"), "RoleArn": role, "OutputDataConfig": {"S3OutputPath": "s3://strangers-out/"}}
        with pytest.raises(ClientError) as caught:
            client.create_training_job(**(wanted | members))
        return str(caught.value).replace(BUCKET, "no-one-s").replace("no-one-s-bucket", "no-one-s")

    with contextlib.suppress(ClientError):
        site.client("s3", site.stranger).create_bucket(Bucket="strangers-out")
    for kind in ("S3Prefix", "ManifestFile"):
        own, nobody = (
            refused(InputDataConfig=[channel("train", f"s3://{bucket}/secret/", source={"S3DataType": kind})])
            for bucket in (BUCKET, "no-one-s")
        )
        assert own == nobody
    assert refused(OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"}) == refused(
        OutputDataConfig={"S3OutputPath": "s3://no-one-s/out"}
    )
    assert "Cross-account pass role is not allowed" in refused(RoleArn=ROLE)
    assert client.list_training_jobs()["TrainingJobSummaries"] == []


def test_names_are_free_in_every_account(site: Site, belongings: object) -> None:
    """What one account calls its own, another may call its own as well; each sees and deletes only its own."""
    client = site.client("sagemaker", site.stranger)
    variant = {"VariantName": "v", "ModelName": OWN, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    with pytest.raises(ClientError, match="Could not find model"):
        client.create_endpoint_config(EndpointConfigName=OWN, ProductionVariants=[variant])
    client.create_model(ModelName=OWN, PrimaryContainer={"Image": IMAGES["sklearn"]}, ExecutionRoleArn=_role(site))
    described = client.describe_model(ModelName=OWN)
    assert described["ModelArn"] == f"arn:aws:sagemaker:us-east-1:{STRANGER}:model/{OWN}"
    client.delete_model(ModelName=OWN)
    with pytest.raises(ClientError, match="Could not find model"):
        client.describe_model(ModelName=OWN)


def _role(site: Site) -> str:
    iam = site.client("iam", site.stranger)
    with contextlib.suppress(ClientError):
        iam.create_role(RoleName="Strange", AssumeRolePolicyDocument=TRUST)
    return f"arn:aws:iam::{STRANGER}:role/Strange"
