"""An experiment from its beginning to a promotion, with a controller that is killed after each of its steps.

There is no controller: the test takes the steps, and what a kill loses is what a step found and was not written.
"""

from typing import Any

import pytest
from tests.capabilities.endpoints.experiments.test_configs import infrastructure
from tests.capabilities.instances.conftest import Clients, assembly, bucket, clients
from tests.capabilities.training.records import ROLE

from clary.app import Assembly
from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.experiments import ExperimentReconciler, configs
from clary.capabilities.endpoints.experiments.kind import FINAL
from clary.capabilities.endpoints.experiments.reconcile import LOOK_SECONDS, _Endpoint
from clary.capabilities.endpoints.fleet import Fleets
from clary.resources.edit import edit
from clary.resources.reconcile import Become, Wait
from clary.resources.records import Record
from clary.resources.store import Store

__all__ = ["assembly", "bucket", "clients"]

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
MOST_STEPS = 40
PROMOTE = {"main": "Remove", "dark": "Promote"}


class Life:
    """One experiment on an endpoint of its own, both called the same."""

    def __init__(self, assembly: Assembly, clients: Clients, name: str) -> None:
        self.parts, self.name, self.sagemaker = assembly.parts, name, clients("sagemaker")
        variant = {"VariantName": "old", "ModelName": "m-main", "InstanceType": "ml.m5.large"}
        made = {"EndpointConfigName": name, "ProductionVariants": [{**variant, "InitialInstanceCount": 1}]}
        self.sagemaker.create_endpoint_config(**made)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.settle()
        shadows = [{"ShadowModelVariantName": "dark", "SamplingPercentage": 40}]
        self.sagemaker.create_inference_experiment(
            Name=name,
            Type="ShadowMode",
            RoleArn=ROLE,
            EndpointName=name,
            ModelVariants=[infrastructure("main"), infrastructure("dark")],
            ShadowModeConfig={"SourceModelVariantName": "main", "ShadowModelVariants": shadows},
        )

    def record(self, kind: str) -> Record:
        found = self.parts.need(Store).get(kind, "123456789012", "us-east-1", self.name)
        assert found
        return found

    def settle(self) -> None:
        """The endpoint, as its own reconciler would have it after a while."""
        with edit(self.parts, self.record("Endpoint")) as change:
            fleets = fleet.load(change.record.state)
            if fleets.next:
                done = Fleets(serving=fleets.next, generation=fleets.generation)
                change.become("InService", **fleet.dump(done))

    def run(self, killed: int | None = None, late: bool = False) -> int:
        """How many steps there were. Step `killed` is lost; if `late`, the endpoint got on meanwhile."""
        for step in range(MOST_STEPS):
            record = self.record("InferenceExperiment")
            if record.status in FINAL:
                return step
            outcome = ExperimentReconciler().reconcile(record, self.parts)
            if step == killed:
                if late:
                    self.settle()
                continue
            match outcome:
                case Become(status, detail, message, state):
                    with edit(self.parts, record) as change:
                        change.become(status, detail, message, **state)
                case Wait() if record.status == "Running":
                    self.sagemaker.stop_inference_experiment(Name=self.name, ModelVariantActions=PROMOTE)
                case _:
                    self.settle()
        raise AssertionError(f"it never ends: {self.record('InferenceExperiment')}")

    def outcome(self) -> dict[str, Any]:
        experiment = self.record("InferenceExperiment")
        fleets = fleet.load(self.record("Endpoint").state)
        assert fleets.serving
        found = self.sagemaker.list_endpoint_configs(NameContains=self.name)["EndpointConfigs"]
        return {
            "status": (experiment.status, experiment.state.get("StatusReason")),
            "serving": [(each.name, each.shadow, each.weight) for each in fleets.serving.variants],
            "updates": fleets.generation - 1,
            "configurations": sorted(each["EndpointConfigName"].rpartition("-")[2] for each in found),
        }


@pytest.fixture(scope="module")
def models(clients: Clients, bucket: str) -> None:
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{bucket}/model.tar.gz"}
    for name in ("m-main", "m-dark"):
        clients("sagemaker").create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)


@pytest.mark.usefixtures("models")
def test_a_promotion_survives_a_kill_after_each_step(assembly: Assembly, clients: Clients) -> None:
    whole = Life(assembly, clients, "whole")
    steps = whole.run()
    wanted = {
        "status": ("Completed", None),
        "serving": [("dark", False, 1.0)],
        "updates": 2,
        "configurations": ["1", "2", "whole"],
    }
    assert (whole.outcome(), steps > 8) == (wanted, True)
    for killed in range(steps):
        for late in (False, True):
            name = f"killed{killed}{'late' if late else ''}"
            life = Life(assembly, clients, name)
            life.run(killed, late)
            assert life.outcome() == {**wanted, "configurations": ["1", "2", name]}, name


@pytest.mark.usefixtures("models")
def test_a_kill_between_a_configuration_and_its_update(assembly: Assembly, clients: Clients) -> None:
    life = Life(assembly, clients, "halfway")
    record = life.record("InferenceExperiment")
    made = configs.running(record.spec, None)
    life.sagemaker.create_endpoint_config(EndpointConfigName=f"halfway-{record.id[-8:]}-1", **made)
    life.run()
    assert (life.outcome()["status"], life.outcome()["updates"]) == (("Completed", None), 2)


@pytest.mark.usefixtures("models")
def test_an_endpoint_that_somebody_took_in_hand_meanwhile_is_waited_for(assembly: Assembly, clients: Clients) -> None:
    """It was free when it was looked at, and no longer when it is asked."""
    life = Life(assembly, clients, "contended")
    record = life.record("InferenceExperiment")
    record.state["Version"] = 1
    life.sagemaker.update_endpoint(EndpointName="contended", EndpointConfigName="contended")
    asked = _Endpoint(record, life.parts)._ask(configs.running(record.spec, None), new=False)
    assert asked == Wait(LOOK_SECONDS)
    life.settle()
    asked = _Endpoint(record, life.parts)._ask(configs.running(record.spec, None), new=False)
    assert isinstance(asked, Become)
