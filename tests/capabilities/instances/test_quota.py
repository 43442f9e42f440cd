"""Quotas that were set hold creates and updates, exactly, and count what runs."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.capabilities.instances.conftest import Clients
from tests.capabilities.processing.records import request as processing
from tests.capabilities.training.records import request

from clary.app import Assembly
from clary.capabilities.endpoints.components.reconcile import InferenceComponentReconciler
from clary.capabilities.endpoints.reconcile import EndpointReconciler
from clary.companions.service_quotas import names
from clary.resources.edit import edit
from clary.resources.reconcile import Become, Do, Outcome
from clary.resources.records import Record
from clary.resources.store import Store

ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
_numbers = count()


class Account:
    """Creates, each under a new name."""

    def __init__(self, clients: Clients) -> None:
        self.sagemaker, self.quotas = clients("sagemaker"), clients("service-quotas")

    def limit(self, use: str, instance_type: str, value: int) -> None:
        code = names.quota(use, instance_type).code
        self.quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=code, DesiredValue=value)

    def train(self, instance_type: str, number: int = 1, **more: Any) -> str:
        name = f"job-{next(_numbers)}"
        config = {"InstanceType": instance_type, "InstanceCount": number, "VolumeSizeInGB": 1}
        config = more.pop("ResourceConfig", config)
        self.sagemaker.create_training_job(**request(name, **more) | {"ResourceConfig": config})
        return name

    def config(self, instance_type: str, number: int) -> str:
        name = f"config-{next(_numbers)}"
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": XGBOOST, "ModelDataUrl": "s3://bucket/model.tar.gz"},
            ExecutionRoleArn=ROLE,
        )
        variant = {
            "VariantName": "all",
            "ModelName": name,
            "InstanceType": instance_type,
            "InitialInstanceCount": number,
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def endpoint(self, config: str) -> str:
        name = f"endpoint-{next(_numbers)}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name


@pytest.fixture(scope="module")
def account(clients: Clients, bucket: str) -> Account:
    return Account(clients)


def refusal(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ResourceLimitExceeded", 400)
    return str(error["Error"]["Message"])


def test_nothing_is_held_back_where_no_quota_was_set(account: Account) -> None:
    account.train("ml.m5.4xlarge", 40)


def test_a_training_job_beyond_the_quota_is_refused_in_aws_words(account: Account) -> None:
    account.train("ml.m5.large", 2)
    account.limit("training", "ml.m5.large", 3)
    assert refusal(lambda: account.train("ml.m5.large", 2)) == (
        "The account-level service limit 'ml.m5.large for training job usage' is 3 Instances, with current "
        "utilization of 2 Instances and a request delta of 2 Instances. Please use AWS Service Quotas to request an "
        "increase for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase "
        "for this quota."
    )
    account.train("ml.m5.large", 1)
    assert "utilization of 3 Instances and a request delta of 1" in refusal(lambda: account.train("ml.m5.large"))
    account.limit("training", "ml.m5.large", 4)
    account.train("ml.m5.large", 1)


def test_a_refused_create_leaves_nothing_and_a_taken_name_is_said_first(account: Account) -> None:
    account.limit("training", "ml.c5.xlarge", 1)
    name = account.train("ml.c5.xlarge")
    before = account.sagemaker.list_training_jobs(NameContains="job-", MaxResults=100)["TrainingJobSummaries"]
    refusal(lambda: account.train("ml.c5.xlarge"))
    after = account.sagemaker.list_training_jobs(NameContains="job-", MaxResults=100)["TrainingJobSummaries"]
    assert after == before
    again = request(name) | {
        "ResourceConfig": {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    }
    with pytest.raises(account.sagemaker.exceptions.ResourceInUse):
        account.sagemaker.create_training_job(**again)


def test_types_spot_and_groups_are_counted_apart(account: Account) -> None:
    account.limit("training", "ml.c5.2xlarge", 0)
    account.limit("spot", "ml.c5.4xlarge", 1)
    refusal(lambda: account.train("ml.c5.2xlarge"))
    account.train("ml.c5.4xlarge", 5)
    stopping = {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}
    spot = {"EnableManagedSpotTraining": True, "StoppingCondition": stopping}
    assert "spot training job usage' is 1" in refusal(lambda: account.train("ml.c5.4xlarge", 2, **spot))
    account.train("ml.c5.4xlarge", 1, **spot)
    groups = [
        {"InstanceGroupName": "a", "InstanceType": "ml.c5.9xlarge", "InstanceCount": 1},
        {"InstanceGroupName": "b", "InstanceType": "ml.c5.2xlarge", "InstanceCount": 1},
    ]
    config = {"InstanceGroups": groups, "VolumeSizeInGB": 1}
    assert "ml.c5.2xlarge" in refusal(lambda: account.train("", ResourceConfig=config))


def test_creates_at_the_same_time_cannot_pass_together(account: Account) -> None:
    account.limit("training", "ml.m4.xlarge", 3)

    def accepted(_: int) -> bool:
        try:
            account.train("ml.m4.xlarge")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceLimitExceeded"
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(accepted, range(12))) == 3


def test_a_stopping_job_still_holds_its_instances(account: Account) -> None:
    account.limit("training", "ml.r5.large", 1)
    name = account.train("ml.r5.large")
    account.sagemaker.stop_training_job(TrainingJobName=name)
    refusal(lambda: account.train("ml.r5.large"))


def test_quotas_hold_in_their_region_alone(account: Account, clients: Clients) -> None:
    account.limit("training", "ml.r5.xlarge", 0)
    far = Account(clients)
    far.sagemaker = clients("sagemaker", "eu-west-1")
    far.train("ml.r5.xlarge")
    refusal(lambda: account.train("ml.r5.xlarge"))


def test_transform_jobs_have_a_quota_of_their_own(account: Account) -> None:
    account.limit("transform", "ml.m5.large", 3)
    account.config("ml.m5.large", 1)
    (model,) = account.sagemaker.list_models(MaxResults=1)["Models"]
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/model.tar.gz"}}

    def create(name: str, instances: int) -> Any:
        return account.sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=model["ModelName"],
            TransformInput={"DataSource": data},
            TransformOutput={"S3OutputPath": "s3://bucket/out"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": instances},
        )

    create("one", 2)
    assert "ml.m5.large for transform job usage' is 3" in refusal(lambda: create("two", 2))
    create("three", 1)


def test_processing_jobs_have_a_quota_of_their_own(account: Account) -> None:
    account.limit("processing", "ml.m5.large", 3)
    create = account.sagemaker.create_processing_job
    create(**processing("one", count=2))
    assert "ml.m5.large for processing job usage' is 3" in refusal(lambda: create(**processing("two", count=2)))
    preferred = processing("three")
    preferences = [{"InstanceType": name} for name in ("ml.m5.large", "ml.m5.xlarge")]
    cluster = {"InstancePreferences": preferences, "InstanceCount": 2, "VolumeSizeInGB": 1}
    preferred["ProcessingResources"]["ClusterConfig"] = cluster
    assert "utilization of 2 Instances and a request delta of 2" in refusal(lambda: create(**preferred))
    create(**processing("four"))


def test_endpoints_are_held_when_created(account: Account) -> None:
    account.limit("hosting", "ml.m5.large", 3)
    two = account.config("ml.m5.large", 2)
    account.endpoint(two)
    assert "ml.m5.large for endpoint usage' is 3" in refusal(lambda: account.endpoint(two))
    account.endpoint(account.config("ml.m5.large", 1))


def test_updates_of_endpoints_are_held_for_what_they_add(account: Account, assembly: Assembly) -> None:
    account.limit("hosting", "ml.m5.xlarge", 4)
    two, one = account.config("ml.m5.xlarge", 2), account.config("ml.m5.xlarge", 1)
    name = account.endpoint(two)
    put_in_service(assembly, name)
    three = account.config("ml.m5.xlarge", 3)
    ask = account.sagemaker.update_endpoint
    # Both fleets run until the new one serves.
    message = refusal(lambda: ask(EndpointName=name, EndpointConfigName=three))
    assert "utilization of 2 Instances and a request delta of 3 Instances" in message
    desired = [{"VariantName": "all", "DesiredInstanceCount": 5}]
    resize = account.sagemaker.update_endpoint_weights_and_capacities
    assert "delta of 3" in refusal(lambda: resize(EndpointName=name, DesiredWeightsAndCapacities=desired))
    assert account.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"
    account.limit("hosting", "ml.m5.xlarge", 1)
    resize(EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "all", "DesiredInstanceCount": 1}])
    put_in_service(assembly, name)
    account.limit("hosting", "ml.m5.xlarge", 2)
    ask(EndpointName=name, EndpointConfigName=one)


def test_instances_that_follow_copies_are_held_too(account: Account, assembly: Assembly) -> None:
    """They do not come while the quota has no room, and come when it has."""
    account.limit("hosting", "ml.t2.medium", 1)
    scaling = {"Status": "ENABLED", "MinInstanceCount": 1, "MaxInstanceCount": 3}
    hosts = {"VariantName": "all", "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1}
    variants = [{**hosts, "ManagedInstanceScaling": scaling}]
    account.sagemaker.create_endpoint_config(
        EndpointConfigName="hosts", ProductionVariants=variants, ExecutionRoleArn=ROLE
    )
    name = account.endpoint("hosts")
    put_in_service(assembly, name)
    account.sagemaker.create_inference_component(
        InferenceComponentName="large",
        EndpointName=name,
        Specification={
            "Container": {"Image": XGBOOST},
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 2560},
        },
        RuntimeConfig={"CopyCount": 2},
    )
    planned = InferenceComponentReconciler().reconcile(record(assembly, "InferenceComponent", "large"), assembly.parts)
    assert isinstance(planned, Become)
    with edit(assembly.parts, record(assembly, "InferenceComponent", "large")) as change:
        change.record.state.update(planned.state)

    def look() -> tuple[type[Outcome], int]:
        endpoint = record(assembly, "Endpoint", name)
        outcome = EndpointReconciler().reconcile(endpoint, assembly.parts)
        if isinstance(outcome, Do):
            outcome.action()
        variant = account.sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"][0]
        return type(outcome), variant["DesiredInstanceCount"]

    assert look() == (Do, 1)
    assert look()[0] is not Do, "it waits for a while before it asks again"
    account.limit("hosting", "ml.t2.medium", 2)
    with edit(assembly.parts, record(assembly, "Endpoint", name)) as change:
        change.record.state["ScalingRefused"] = 0.0
    assert look() == (Do, 2)


def record(assembly: Assembly, kind: str, name: str) -> Record:
    found = assembly.parts.need(Store).get(kind, "123456789012", "us-east-1", name)
    assert found is not None
    return found


def put_in_service(assembly: Assembly, name: str) -> None:
    """As the controller does when all instances are ready."""
    with edit(assembly.parts, record(assembly, "Endpoint", name)) as change:
        fleets = change.record.state["Fleets"]
        fleets["serving"], fleets["next"] = fleets["next"] or fleets["serving"], None
        change.become("InService")


def test_unknown_types_are_refused_in_the_form_of_enums(account: Account) -> None:
    with pytest.raises(ClientError) as caught:
        account.train("ml.m5.huge")
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    words = "Value 'ml.m5.huge' at 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum"
    assert words in error["Message"]
