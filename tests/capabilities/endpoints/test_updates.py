"""Updates of each kind under load, with unmodified boto3: no call fails, and calls go where the deployment says."""

import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError
from tests.capabilities.endpoints.account import SKLEARN, Account, Load, kill, running, tree, words
from tests.capabilities.endpoints.test_deployment import bluegreen, instances, percent, rolling
from tests.servers import Clary, wait_until

SCRIPT = """
import os, time

def model_fn(model_dir):
    return os.environ["ANSWER"]

def transform_fn(model, body, content_type, accept):
    if body == b"slow":
        time.sleep(5)
    return model, "text/plain"
"""
BAKE = 4
"""Seconds in which a stage is to be seen, on a machine that may stall for a while."""
LINEAR = bluegreen("LINEAR", BAKE, LinearStepSize=instances(1))
LINEAR_STAGES = [
    ("Baking", f"Baking for {BAKE} seconds (WaitIntervalInSeconds) with traffic enabled on {capacity} instance(s).")
    for capacity in ("partial capacity of 1", "full capacity of 2")
]
ALARM = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]}}
INSTANCES = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    """Two server processes, so that one can be killed."""
    with Clary(tmp_path_factory.mktemp("updates") / "home", workers="2") as clary:
        yield clary.start()
        assert "Traceback" not in clary.log.read_text()


@pytest.fixture(scope="module")
def account(server: Clary, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """Configurations `blue` and `green` whose models answer with their names, and the endpoint `e`."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "inference.py").write_text(SCRIPT)
    archive = folder / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "inference.py", "code/inference.py")
    made = Account(server, archive)
    for name in ("blue", "green"):
        made.model(name, SKLEARN, archive, SAGEMAKER_PROGRAM="inference.py", ANSWER=name)
        variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large"}
        made.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": INSTANCES}]
        )
    made.sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="blue", DeploymentConfig=LINEAR)
    made.await_status("e", "InService")
    return made


def update(account: Account, config: str, asked: dict[str, Any], **more: Any) -> None:
    account.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName=config, DeploymentConfig=asked, **more)


def describe(account: Account) -> dict[str, Any]:
    described: dict[str, Any] = account.sagemaker.describe_endpoint(EndpointName="e")
    return described


def stages(described: dict[str, Any]) -> list[tuple[str, str]]:
    """Status and message of what the pending deployment is doing."""
    [variant] = described.get("PendingDeploymentSummary", {"ProductionVariants": [{}]})["ProductionVariants"]
    return [(each["Status"], each["StatusMessage"]) for each in variant.get("VariantStatus", [])]


def await_stage(account: Account, status: str, part: str = "") -> dict[str, Any]:
    """Until the pending deployment is so far, and says so; what Describe says then."""
    seen: list[dict[str, Any]] = []

    def there() -> bool:
        seen.append(describe(account))
        return any(status in found and part in said for found, said in stages(seen[-1]))

    wait_until(there, otherwise=lambda: str(seen[-1]))
    return seen[-1]


def split(load: Load, count: int = 200) -> Counter[bytes]:
    """What the next calls are answered."""
    before = len(load.answers)
    load.more(count)
    return Counter(load.answers[before:])


def in_service(account: Account, config: str) -> dict[str, Any]:
    described = account.await_status("e", "InService")
    assert (described["EndpointConfigName"], "PendingDeploymentSummary" in described) == (config, False), described
    return described


def test_updates_of_each_kind_under_load_and_kills(account: Account, server: Clary) -> None:
    """One story, as each update begins where the last one ended."""
    with Load(lambda: account.invoke("e"), threads=3) as load:
        load.more()
        _linear_to_green_while_the_controller_dies(account, server)
        _rolling_back_by_alarm(account)
        _canary_back_by_alarm(account, load)
        # A call that blue was given before may still be answered.
        wait_until(lambda: set(split(load)) == {b"green"})
    _counted_by_configuration(account)
    assert (load.errors, set(load.answers)) == ([], {b"blue", b"green"})
    _rolling_to_blue_while_an_instance_and_a_server_die(account, server)


def _linear_to_green_while_the_controller_dies(account: Account, server: Clary) -> None:
    """As CreateEndpoint was told. The controller's end is nobody's business."""
    account.sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="green", RetainDeploymentConfig=True)
    kill(children(server, "clary.controller"))
    described = await_stage(account, "Baking")
    assert (described["EndpointConfigName"], described["EndpointStatus"]) == ("blue", "Updating")
    assert (stages(described)[0] in LINEAR_STAGES, described["LastDeploymentConfig"]) == (True, LINEAR)
    kill(children(server, "clary.controller"))
    with ThreadPoolExecutor() as pool:
        # They outlast the old fleet's time.
        slow = [pool.submit(account.invoke, "e", Body=b"slow") for _ in range(2)]
        in_service(account, "green")
        assert {each.result() for each in slow} <= {b"blue", b"green"}
    assert len(server_workers(server)) == 2


def _rolling_back_by_alarm(account: Account) -> None:
    """In the last batch: the old fleet has one instance left, and comes back whole."""
    account.cloudwatch.put_metric_alarm(
        AlarmName="errors",
        Namespace="Test",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    update(account, "blue", {**rolling(percent(50), BAKE), **ALARM})
    described = await_stage(account, "", "full capacity of 2")
    for state in ("ALARM", "OK"):
        # However short it was.
        account.cloudwatch.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="test")
    fleets = described, described["PendingDeploymentSummary"]
    counts = [each["CurrentInstanceCount"] for fleet in fleets for each in fleet["ProductionVariants"]]
    assert sum(counts) == INSTANCES + 1
    account.await_status("e", "RollingBack")
    described = in_service(account, "green")
    assert described["FailureReason"].endswith("one or more alarms went into ALARM state: [errors].")


def _canary_back_by_alarm(account: Account, load: Load) -> None:
    asked = {**bluegreen("CANARY", 3600, CanarySize=percent(25)), **ALARM}
    update(account, "blue", asked)
    described = await_stage(account, "Baking")
    message = (
        "Baking for 3600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s)."
    )
    assert (stages(described), described["LastDeploymentConfig"]) == ([("Baking", message)], asked)
    wait_until(lambda: split(load, 20)[b"blue"])
    share = split(load)[b"blue"] / 200
    assert 0.08 < share < 0.45
    account.cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    in_service(account, "green")


def _counted_by_configuration(account: Account) -> None:
    """For alarms that look at one fleet."""
    named = [{"Name": "EndpointName", "Value": "e"}, {"Name": "EndpointConfigName"}]
    wanted = [{"EndpointName": "e", "VariantName": "v", "EndpointConfigName": name} for name in ("blue", "green")]

    def shown() -> list[dict[str, str]]:
        metrics = account.cloudwatch.list_metrics(MetricName="Invocations", Dimensions=named)["Metrics"]
        return [{each["Name"]: each["Value"] for each in metric["Dimensions"]} for metric in metrics]

    wait_until(lambda: all(each in shown() for each in wanted), otherwise=lambda: str(shown()))


def _rolling_to_blue_while_an_instance_and_a_server_die(account: Account, server: Clary) -> None:
    """A call that a killed process had is lost, and the SDK repeats it."""
    patient = server.client("sagemaker-runtime")
    with Load(lambda: bytes(patient.invoke_endpoint(EndpointName="e", Body=b"1")["Body"].read()), threads=2) as load:
        update(account, "blue", rolling(percent(50), BAKE))
        await_stage(account, "Baking")
        kill(newest(server))
        load.more()
        kill(server_workers(server)[:1])
        load.more()
        in_service(account, "blue")
        load.more()
    assert (load.errors, set(load.answers)) == ([], {b"blue", b"green"})


def children(server: Clary, module: str) -> list[psutil.Process]:
    """The process of this server that runs a module."""
    return [each for each in psutil.Process(server.process.pid).children() if module in words(each)]


def server_workers(server: Clary) -> list[psutil.Process]:
    """Those that answer requests, below the process that watches them."""
    [parent] = children(server, "clary.workers")
    return [each for each in parent.children() if "resource_tracker" not in " ".join(words(each))]


def newest(server: Clary) -> list[psutil.Process]:
    """All processes of the first instance of the newest fleet, its shim too."""
    folders = [folder.name for folder in (server.home / "jobs").iterdir()]
    number = max(int(name.split("-")[1]) for name in folders)
    [workload] = [name for name in folders if name.split("-")[1] == str(number) and name.endswith("-0")]
    tops = [each for each in running(server) if any(workload in word for word in words(each))]
    return [process for top in tops for process in tree(top)]


REFUSED: list[tuple[dict[str, Any], str]] = [
    (bluegreen("CANARY"), "CanarySize is required"),
    (bluegreen("LINEAR", CanarySize=percent(10)), "LinearStepSize is required"),
    (bluegreen("CANARY", CanarySize=percent(10), LinearStepSize=percent(10)), "LinearStepSize cannot be specified"),
    (bluegreen("CANARY", CanarySize=percent(51)), "CanarySize must be between 1% and 50%"),
    (bluegreen("CANARY", CanarySize=instances(2)), "CanarySize must be between 1% and 50%"),
    (bluegreen("LINEAR", LinearStepSize=percent(9)), "LinearStepSize must be between 10% and 50%"),
    (rolling(percent(4)), "MaximumBatchSize must be between 5% and 50%"),
    (rolling(percent(50), RollbackMaximumBatchSize=percent(101)), "RollbackMaximumBatchSize must be between 1% and"),
    ({**bluegreen("ALL_AT_ONCE"), **rolling(percent(50))}, "Only one of"),
    ({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "nobody"}]}}, "nobody"),
    (rolling(percent(50), 400, MaximumExecutionTimeoutInSeconds=700), "MaximumExecutionTimeoutInSeconds must be"),
]


@pytest.mark.parametrize(("asked", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_deployments_that_cannot_be_are_refused(account: Account, asked: dict[str, Any], message: str) -> None:
    assert message in _refusal(lambda: update(account, "blue", asked))
    assert account.status("e") == "InService"


def test_other_variants_are_refused_where_traffic_is_shifted(account: Account) -> None:
    account.config("other", "blue")
    asked = bluegreen("CANARY", CanarySize=percent(10))
    assert "the same variant names" in _refusal(lambda: update(account, "other", asked))
    both = "DeploymentConfig cannot be specified"
    assert both in _refusal(lambda: update(account, "blue", asked, RetainDeploymentConfig=True))


def _refusal(call: Callable[[], None]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    return str(error["Message"])
