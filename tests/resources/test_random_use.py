"""Random use of the generic verbs against a plain model of what they should do, with a second hand interfering."""

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.verbs import edit, find
from clary.wire.errors import AwsError

from .calling import Caller
from .conftest import Clock
from .shapes import KINDS, MODEL, PROCESSING_JOB, SPECIAL

NAMES = st.sampled_from(["a", "b", "c", "d"])
JOB = {"RoleArn": "r", "AppSpecification": {}}


def test_any_order_of_calls_does_what_the_model_says(store_url: str, tmp_path: Path) -> None:
    """One database for all runs: each run has an account of its own, and so sees an empty one."""
    clock = Clock()
    store = Store(store_url, clock)
    accounts = iter(range(10**11, 10**12))

    class Use(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.call = Caller(store, tmp_path, KINDS, SPECIAL, account=str(next(accounts)))
            self.jobs: dict[str, str] = {}
            self.models: dict[str, dict[str, str]] = {}
            self.held: Record | None = None

        def attempt(self, operation: str, **request: Any) -> str | None:
            """The code of the refusal, if it was refused."""
            clock.tick()
            try:
                self.call(operation, **request)
            except AwsError as refused:
                return refused.code
            return None

        @rule(name=NAMES)
        def create_job(self, name: str) -> None:
            refused = self.attempt("CreateProcessingJob", ProcessingJobName=name, **JOB)
            assert refused == ("ResourceInUse" if name in self.jobs else None)
            self.jobs.setdefault(name, "InProgress")

        @rule(name=NAMES)
        def stop_job(self, name: str) -> None:
            refused = self.attempt("StopProcessingJob", ProcessingJobName=name)
            before = self.jobs.get(name)
            allowed = before in ("InProgress", "Stopping")
            assert refused == (None if allowed else "ValidationException" if before else "ResourceNotFound")
            if allowed:
                self.jobs[name] = "Stopping"

        @rule(name=NAMES, status=st.sampled_from(["Completed", "Stopped", "Failed"]))
        def controller_moves_job(self, name: str, status: str) -> None:
            if name not in self.jobs:
                return
            context = self.call.context("StopProcessingJob")
            record = find(context, PROCESSING_JOB, name)
            allowed = PROCESSING_JOB.machine.allows(self.jobs[name], status)
            try:
                with edit(context, record) as change:
                    change.become(status)
                assert allowed
                self.jobs[name] = status
            except AwsError:
                assert not allowed

        @rule(name=NAMES)
        def create_model(self, name: str) -> None:
            refused = self.attempt(
                "CreateModel", ModelName=name, ExecutionRoleArn="r", Tags=[{"Key": "k", "Value": name}]
            )
            assert refused == ("ValidationException" if name in self.models else None)
            self.models.setdefault(name, {"k": name})

        @rule(name=NAMES)
        def delete_model(self, name: str) -> None:
            refused = self.attempt("DeleteModel", ModelName=name)
            assert refused == (None if name in self.models else "ValidationException")
            self.models.pop(name, None)

        @rule(name=NAMES, key=st.sampled_from(["k", "l"]), value=st.text("xyz", max_size=2))
        def tag_model(self, name: str, key: str, value: str) -> None:
            arn = f"arn:aws:sagemaker:eu-west-1:{self.call.account}:model/{name}"
            refused = self.attempt("AddTags", ResourceArn=arn, Tags=[{"Key": key, "Value": value}])
            assert refused == (None if name in self.models else "ValidationException")
            if name in self.models:
                self.models[name][key] = value

        @rule(name=NAMES)
        def hold_a_model_for_later(self, name: str) -> None:
            if name in self.models:
                self.held = find(self.call.context("DescribeModel"), MODEL, name)

        @rule()
        def change_the_held_model(self) -> None:
            """As a slow handler would: the record may be gone, or be another of the same name."""
            if self.held is None:
                return
            try:
                with edit(self.call.context("DescribeModel"), self.held) as change:
                    change.record.state["Touched"] = True
                assert store.by_id(self.held.id) is not None
            except AwsError:
                assert store.by_id(self.held.id) is None

        @invariant()
        def lists_show_exactly_what_is_there(self) -> None:
            jobs = self.call("ListProcessingJobs", SortBy="Name")["ProcessingJobSummaries"]
            assert [(j["ProcessingJobName"], j["ProcessingJobStatus"]) for j in jobs] == sorted(self.jobs.items())
            found, request = [], {"SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 1}
            while True:
                page = self.call("ListModels", **request)
                found += [model["ModelName"] for model in page["Models"]]
                if "NextToken" not in page:
                    break
                request["NextToken"] = page["NextToken"]
            assert found == sorted(self.models)

        @invariant()
        def tags_and_times_are_right(self) -> None:
            for name, tags in self.models.items():
                model = self.call("DescribeModel", ModelName=name)
                listed = self.call("ListTags", ResourceArn=model["ModelArn"])["Tags"]
                assert {tag["Key"]: tag["Value"] for tag in listed} == tags
            for name in self.jobs:
                job = self.call("DescribeProcessingJob", ProcessingJobName=name)
                assert job["CreationTime"] <= job["LastModifiedTime"] <= clock.now

    run_state_machine_as_test(
        Use,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    store.close()
