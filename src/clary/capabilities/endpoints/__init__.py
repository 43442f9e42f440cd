"""Endpoints: configurations, endpoints that keep models running, and InvokeEndpoint."""

from functools import partial

from clary.capabilities.endpoints import asynchronous, experiments
from clary.capabilities.endpoints.api import create_endpoint, update_endpoint, update_weights_and_capacities
from clary.capabilities.endpoints.aside import Aside
from clary.capabilities.endpoints.components import api as components
from clary.capabilities.endpoints.components.kind import INFERENCE_COMPONENT
from clary.capabilities.endpoints.components.reconcile import InferenceComponentReconciler
from clary.capabilities.endpoints.experiments import EXPERIMENT, ExperimentReconciler
from clary.capabilities.endpoints.invoke import Invocations, invoke_endpoint
from clary.capabilities.endpoints.kind import ENDPOINT, ENDPOINT_CONFIG
from clary.capabilities.endpoints.metering import FLUSH_SECONDS, Meter
from clary.capabilities.endpoints.place import cached
from clary.capabilities.endpoints.reconcile import EndpointReconciler
from clary.capabilities.endpoints.recording import Recorder
from clary.capabilities.endpoints.routes import Routes
from clary.capabilities.endpoints.scaling import SCALABLE as SCALABLE
from clary.capabilities.endpoints.serverless.calls import Serverless
from clary.capabilities.endpoints.sessions import SESSION, SessionReconciler
from clary.capabilities.endpoints.streams import invoke_with_response_stream
from clary.companions.cloudwatch.store import MetricStore
from clary.objects import Objects
from clary.resources.capability import Capability
from clary.resources.store import Store
from clary.resources.wake import Wake
from clary.runtime.backend import Backend
from clary.serving.gateway import Gateway
from clary.settings import Settings

ENDPOINTS = Capability(
    "endpoints",
    kinds=(ENDPOINT_CONFIG, ENDPOINT, EXPERIMENT, SESSION, INFERENCE_COMPONENT),
    operations=(
        create_endpoint,
        update_endpoint,
        update_weights_and_capacities,
        invoke_endpoint,
        invoke_with_response_stream,
        *asynchronous.OPERATIONS,
        *components.OPERATIONS,
        *experiments.OPERATIONS,
    ),
    reconcilers=(EndpointReconciler(), ExperimentReconciler(), SessionReconciler(), InferenceComponentReconciler()),
)


def invocations(
    settings: Settings, store: Store, backend: Backend, metrics: MetricStore, objects: Objects
) -> Invocations:
    """The part of a server process that serves InvokeEndpoint."""
    meter = _meter(settings, metrics)
    serverless = Serverless(store, backend, Wake(settings.home), meter)
    routes = Routes(store, backend, settings.home, partial(cached, objects=objects, settings=settings))
    gateway = Gateway()
    recorder = Recorder(objects, settings.home / "capture", settings.capture_seconds)
    return Invocations(
        routes, gateway, meter, settings.max_invocation_bytes, serverless, Aside(gateway, meter, recorder)
    )


def _meter(settings: Settings, metrics: MetricStore) -> Meter:
    """Several flushes in each period that target tracking looks at."""
    often = min(FLUSH_SECONDS, settings.scaling_period_seconds / 4)
    return Meter(metrics, flush_seconds=often, processes=settings.workers)
