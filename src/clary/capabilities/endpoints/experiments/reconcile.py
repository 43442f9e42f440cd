"""Carries an experiment through its times: each status but the waiting ones wants its endpoint to have a configuration.

What is asked of the endpoint is asked as a client would. The configuration's name is the experiment's own and says
whether it was asked already, so a step that was cut short is found done, or done again.
"""

from typing import Any

from clary.capabilities.endpoints import fleet
from clary.capabilities.endpoints.api import create_endpoint, update_endpoint
from clary.capabilities.endpoints.experiments import configs
from clary.capabilities.endpoints.experiments.kind import EXPERIMENT, endpoint_of
from clary.capabilities.endpoints.kind import ENDPOINT_CONFIG
from clary.resources.kinds import Kind
from clary.resources.reconcile import Become, Outcome, Wait
from clary.resources.records import Record
from clary.resources.store import Store
from clary.resources.verbs import create
from clary.wire.context import Context, Parts, Principal
from clary.wire.errors import AwsError

LOOK_SECONDS = 0.5
NAME_CHARACTERS = 40
FREE = ("InService", "UpdateRollbackFailed")
GONE = ("Deleting", "Failed")


class ExperimentReconciler:
    kind: Kind = EXPERIMENT

    def reconcile(self, record: Record, parts: Parts) -> Outcome:
        times, now = record.spec["Schedule"], parts.need(Store).now()
        match record.status:
            case "Creating":
                return Become("Created")
            case "Created":
                return Become("Starting") if now >= times["StartTime"] else Wait(times["StartTime"] - now)
            case "Starting" | "Updating":
                return self._deploy(record, parts)
            case "Running" if now < times["EndTime"]:
                return Wait(times["EndTime"] - now)
            case "Running":
                ending = {"Actions": configs.ending(record.spec), "Desired": [], "End": "Completed"}
                return Become("Stopping", state={**ending, "Version": record.state["Version"] + 1})
            case "Stopping":
                return self._finish(record, parts)
        return Wait()

    def _deploy(self, record: Record, parts: Parts) -> Outcome:
        if not record.state.get("Version"):
            endpoint = endpoint_of(parts.need(Store), record)
            current = fleet.load(endpoint.state).current if endpoint else None
            return Become(record.status, state={"Version": 1, "Before": current.capture if current else None})
        outcome = _Endpoint(record, parts).have(configs.running(record.spec, record.state["Before"]), make=True)
        if outcome == "":
            return Become("Running")
        if isinstance(outcome, str):
            if record.status == "Updating":
                return Become("Running", message=outcome, state={"StatusReason": outcome})
            return _ended("Cancelled", outcome, parts)
        return outcome

    def _finish(self, record: Record, parts: Parts) -> Outcome:
        """An experiment that never began to deploy leaves its endpoint alone."""
        state, reason = record.state, record.state.get("StatusReason") or ""
        if not state.get("Version"):
            return _ended(state["End"], reason, parts)
        wanted = configs.over(record.spec, state["Actions"], state["Desired"], state["Before"])
        outcome = _Endpoint(record, parts).have(wanted, make=False)
        if isinstance(outcome, str):
            return _ended(state["End"], " ".join(filter(None, (reason, outcome))), parts)
        return outcome


def _ended(status: str, reason: str, parts: Parts) -> Become:
    state = {"CompletionTime": parts.need(Store).now(), "StatusReason": reason[:1024] or None}
    return Become(status, message=reason, state=state)


class _Endpoint:
    """The endpoint of one experiment, asked on the experiment's behalf."""

    def __init__(self, record: Record, parts: Parts) -> None:
        self._record = record
        self._parts = parts
        self._config = f"{record.name[:NAME_CHARACTERS]}-{record.id[-8:]}-{record.state['Version']}"

    def have(self, wanted: dict[str, Any], *, make: bool) -> Outcome | str:
        """An empty text when it has this configuration, another when it cannot have it; else what to do meanwhile."""
        endpoint = endpoint_of(self._parts.need(Store), self._record)
        if endpoint is None or endpoint.status in GONE:
            if endpoint is None and make and self._record.state.get("Asked") != self._config:
                return self._ask(wanted, new=True)
            return f"Endpoint {self._record.spec['EndpointName']} cannot be used: it is gone or failed."
        fleets = fleet.load(endpoint.state)
        if fleets.serving and fleets.serving.config == self._config and endpoint.status == "InService":
            return ""
        if fleets.next and fleets.next.config == self._config:
            return self._asked() if self._record.state.get("Asked") != self._config else Wait(LOOK_SECONDS)
        if endpoint.status not in FREE:
            return Wait(LOOK_SECONDS)
        if self._record.state.get("Asked") == self._config:
            return f"The endpoint could not be updated. {fleets.failure}".strip()
        return self._ask(wanted, new=False)

    def _ask(self, wanted: dict[str, Any], *, new: bool) -> Outcome | str:
        request = {"EndpointName": self._record.spec["EndpointName"], "EndpointConfigName": self._config}
        try:
            self._configure(wanted)
            handler = create_endpoint.handler if new else update_endpoint.handler
            handler(self._context("CreateEndpoint" if new else "UpdateEndpoint"), request)
        except AwsError as error:
            # Somebody else may have taken the endpoint in hand since it was looked at.
            endpoint = endpoint_of(self._parts.need(Store), self._record)
            busy = endpoint is not None and endpoint.status not in (*FREE, *GONE)
            return Wait(LOOK_SECONDS) if busy else error.message
        return self._asked()

    def _asked(self) -> Become:
        return Become(self._record.status, state={"Asked": self._config})

    def _configure(self, wanted: dict[str, Any]) -> None:
        store = self._parts.need(Store)
        if store.get(ENDPOINT_CONFIG.noun, self._record.account, self._record.region, self._config) is None:
            request = {"EndpointConfigName": self._config, **wanted}
            create(self._context("CreateEndpointConfig"), ENDPOINT_CONFIG, request)

    def _context(self, operation: str) -> Context:
        record = self._record
        principal = Principal(record.account, record.spec["RoleArn"], "", "")
        return Context(self._parts, "sagemaker", operation, record.account, record.region, principal, "")
