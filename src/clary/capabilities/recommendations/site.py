"""What a job sees and does outside its record: endpoints through the API, load tests through the backend."""

from functools import cached_property

import msgspec

from clary.capabilities.jobs import reaching
from clary.capabilities.recommendations import payload, plan, trials
from clary.capabilities.recommendations.calling import Api, Refused
from clary.capabilities.recommendations.decide import Sight
from clary.capabilities.recommendations.trials import Trial
from clary.companions.cloudwatch.store import Metric, MetricStore, metric_id
from clary.companions.logs import LogStore
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Backend, OutputsLost
from clary.serving.load.signing import Signer
from clary.settings import Settings
from clary.wire.context import Parts

RUN_SECONDS = 7 * 86400.0
"""Of credentials; a job takes hours at most."""
HOST_METRICS = "/aws/sagemaker/Endpoints"
OURS = (("EndpointConfig", "DeleteEndpointConfig", "EndpointConfigName"), ("Model", "DeleteModel", "ModelName"))


class Site:
    def __init__(self, record: Record, parts: Parts) -> None:
        self.record, self.parts = record, parts
        self.store, self.settings = parts.need(Store), parts.need(Settings)
        self.backend: Backend = parts.need(Backend)  # type: ignore[type-abstract]

    def look(self, trial: Trial) -> Sight:
        endpoint = self._find("Endpoint", trial.endpoint)
        sight = Sight(
            endpoint=endpoint.status if endpoint else "",
            reason=str(endpoint.state.get("FailureReason") or "") if endpoint else "",
            kept=trial.own and any(self._find(kind, trial.endpoint) for kind, _, _ in OURS),
        )
        states = self.backend.observe(trials.workload(self.record.id, trial)).instances
        if not states:
            return sight
        if states[0].phase in ("preparing", "running"):
            return msgspec.structs.replace(sight, load="running")
        if states[0].phase == "lost":
            return msgspec.structs.replace(sight, load="lost", broken="The load test was lost again and again.")
        return msgspec.structs.replace(sight, load="ended", **self._outcome(trial, states[0].message))

    def _outcome(self, trial: Trial, said: str) -> dict[str, object]:
        try:
            folder, *_ = self.backend.outputs(trials.workload(self.record.id, trial), plan.OUTPUT)
            return {"outcome": trials.read_outcome((folder / plan.OUTCOME).read_bytes())}
        except (OutputsLost, OSError, ValueError, msgspec.DecodeError) as error:
            log = f"{plan.LOG_GROUP}, {plan.log_stream(self.record, trial)}"
            return {"broken": f"The load test did not end as it should: {said or error}. Its log: {log}."[:1024]}

    def deploy(self, trial: Trial) -> None:
        """Raises `Refused` or `Unavailable`."""
        if trial.environment:
            model = self._find("Model", self.record.spec["InputConfig"]["ModelName"])
            if model is None:
                raise Refused("ValidationException", "The model was deleted.")
            self._make("CreateModel", **plan.model(self.record, trial, model.spec))
        self._make("CreateEndpointConfig", **plan.endpoint_config(self.record, trial))
        self._make("CreateEndpoint", EndpointName=trial.endpoint, EndpointConfigName=trial.endpoint)

    def load(self, trial: Trial) -> None:
        """Raises `NoRoom` or `Away`."""
        log = self.parts.need(LogStore).stream(
            self.record.account, self.record.region, plan.LOG_GROUP, plan.log_stream(self.record, trial)
        )
        site = plan.Site(
            wake=str(self.parts.need(Wake).path),
            log=str(log),
            endpoint=self.settings.url,
            payload=str(payload.archive(self.record, self.parts)),
            credentials=self._credentials,
        )
        self.backend.start(plan.load_test(self.record, trial, site))

    def halt(self, trial: Trial) -> None:
        self.backend.stop(trials.workload(self.record.id, trial))

    def clear(self, trial: Trial) -> None:
        """Away with what was made for the trial, as far as it can go now. Raises `Refused` or `Unavailable`."""
        for name in trials.workloads(self.record.id, trial):
            self.backend.destroy(name)
        if not trial.own:
            return
        endpoint = self._find("Endpoint", trial.endpoint)
        if endpoint and endpoint.status in ("InService", "Failed"):
            self._unmake("DeleteEndpoint", EndpointName=trial.endpoint)
        if endpoint is None:
            for kind, operation, member in OURS:
                if self._find(kind, trial.endpoint):
                    self._unmake(operation, **{member: trial.endpoint})

    def measured(self, trial: Trial) -> Trial:
        """With what its endpoint used of its instance while it was called, as far as that was measured."""
        return msgspec.structs.replace(
            trial,
            cpu_percent=self._mean(trial, "CPUUtilization"),
            memory_percent=self._mean(trial, "MemoryUtilization"),
        )

    def _mean(self, trial: Trial, name: str) -> float | None:
        dimensions = (("EndpointName", trial.endpoint), ("VariantName", trial.endpoint))
        series = metric_id(self.record.account, self.record.region, Metric(HOST_METRICS, name, dimensions))
        begin, end = int(trial.begun * 1000), int(trial.over * 1000) + 1000
        cells = self.parts.need(MetricStore).cells(series, begin, end, end - begin, None, units=False)
        count = sum(cell.count for cell in cells)
        return sum(cell.total for cell in cells) / count if count else None

    def _find(self, kind: str, name: str) -> Record | None:
        return self.store.get(kind, self.record.account, self.record.region, name)

    def _make(self, operation: str, **request: object) -> None:
        try:
            self._api.call(operation, **request)
        except Refused as error:
            # Made by a look that was cut short.
            if "already exist" not in str(error):
                raise

    def _unmake(self, operation: str, **request: object) -> None:
        try:
            self._api.call(operation, **request)
        except Refused as error:
            if "Could not find" not in str(error):
                raise

    @cached_property
    def _api(self) -> Api:
        keys = self._credentials
        signer = Signer(
            keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"], self.record.region
        )
        return Api(self.settings.url, signer)

    @cached_property
    def _credentials(self) -> dict[str, str]:
        return reaching.credentials(self.parts, self.record, RUN_SECONDS)
