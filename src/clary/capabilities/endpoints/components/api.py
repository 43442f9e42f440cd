"""What the common verbs cannot say of inference components: a component is resolved when it is created or updated."""

from typing import Any

import msgspec

from clary.capabilities.endpoints import fleet, rollout
from clary.capabilities.endpoints.components.kind import (
    INFERENCE_COMPONENT,
    SPECIFICATIONS,
    host_variant,
    resolve,
    specification,
    with_fleets,
)
from clary.capabilities.endpoints.fleet import Fleet, Fleets
from clary.capabilities.endpoints.kind import ENDPOINT
from clary.resources.edit import edit
from clary.resources.query import Query
from clary.resources.records import Record
from clary.resources.refusals import missing, refused
from clary.resources.store import Store
from clary.resources.verbs import create, find, move
from clary.wire.context import Context, Parts
from clary.wire.errors import ValidationException
from clary.wire.operations import operation

Request = dict[str, Any]

ONE_BY_ONE = {"MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1}, "WaitIntervalInSeconds": 0}
"""How copies are replaced where the request does not say."""
MOST = 10_000


@operation("CreateInferenceComponent")
def create_component(ctx: Context, request: Request) -> Request:
    endpoint = find(ctx, ENDPOINT, request["EndpointName"])
    host = host_variant(endpoint, request.get("VariantName"))
    copies = request.get("RuntimeConfig", {}).get("CopyCount", 1)
    fleets = Fleets(next=resolve(ctx, specification(request, host), host, copies, 1))
    spec = {**request, "VariantName": host.name, "EndpointArn": endpoint.arn}
    record = create(ctx, INFERENCE_COMPONENT, spec, **with_fleets(fleets, "Creating"))
    return {"InferenceComponentArn": record.arn}


@operation("UpdateInferenceComponent")
def update_component(ctx: Context, request: Request) -> Request:
    """Copies of the new specification come up beside the old ones and take their places, some at a time."""
    record = find(ctx, INFERENCE_COMPONENT, request)
    copies = request.get("RuntimeConfig", {}).get("CopyCount")
    given = {member: request[member] for member in SPECIFICATIONS if request.get(member)}
    wanted = _wanted(ctx, record, given) if given else None
    with edit(ctx, record) as change:
        fleets = _settled(change.record)
        change.become("Updating")
        if wanted is None:
            changed = _resized(fleets, copies)
        else:
            for member in SPECIFICATIONS:
                change.record.spec.pop(member, None)
            change.record.spec.update(given)
            changed = _replaced(fleets, wanted, copies, _rolling(request), change.now)
            change.record.state[fleet.DEPLOYED_KEY] = request.get("DeploymentConfig")
        change.record.state.update(with_fleets(changed, "Updating"))
    return {"InferenceComponentArn": record.arn}


@operation("UpdateInferenceComponentRuntimeConfig")
def update_copies(ctx: Context, request: Request) -> Request:
    record = find(ctx, INFERENCE_COMPONENT, request)
    _change_copies(ctx.parts, record, request["DesiredRuntimeConfig"]["CopyCount"])
    return {"InferenceComponentArn": record.arn}


def set_copies(parts: Parts, account: str, region: str, component: str, count: int) -> None:
    """UpdateInferenceComponentRuntimeConfig by the platform itself, for Application Auto Scaling.

    Raises ValidationException for a component that is not there or not in service.
    """
    record = parts.need(Store).get(INFERENCE_COMPONENT.noun, account, region, component)
    if record is None:
        arn = f"arn:aws:sagemaker:{region}:{account}:inference-component/{component}".lower()
        raise missing(INFERENCE_COMPONENT, component, arn)
    _change_copies(parts, record, count)


def components(store: Store, account: str, region: str, endpoint: str) -> list[Record]:
    """Those of an endpoint, the oldest first."""
    mine = Query(
        kind=INFERENCE_COMPONENT.noun,
        account=account,
        region=region,
        limit=MOST,
        where=lambda record: bool(record.spec["EndpointName"] == endpoint),
    )
    return list(store.page(mine).records)


def refuse_with_components(ctx: Context, endpoint: Record) -> None:
    """An endpoint with components is not deleted. Raises ValidationException."""
    if components(ctx.need(Store), ctx.account, ctx.region, endpoint.name):
        raise ValidationException(
            f'Cannot delete endpoint "{endpoint.arn}" with inference components. Delete them first.'
        )


def _change_copies(parts: Parts, record: Record, count: int) -> None:
    with edit(parts, record) as change:
        fleets = _settled(change.record)
        change.become("Updating")
        change.record.state.update(with_fleets(_resized(fleets, count), "Updating"))


def _settled(record: Record) -> Fleets:
    """Only a component that is in service, or whose update has failed, has copies to change."""
    fleets = fleet.load(record.state)
    if record.status not in ("InService", "Failed") or fleets.serving is None:
        raise refused(INFERENCE_COMPONENT, record, "Updating")
    return fleets


def _resized(fleets: Fleets, count: int | None) -> Fleets:
    assert fleets.serving
    (copy,) = fleets.serving.variants
    if count is not None:
        copy = msgspec.structs.replace(copy, count=count, before=(copy.count, copy.weight))
    return msgspec.structs.replace(
        fleets, serving=msgspec.structs.replace(fleets.serving, variants=(copy,)), failure=""
    )


def _wanted(ctx: Context, record: Record, given: Request) -> Fleet:
    host = host_variant(find(ctx, ENDPOINT, record.spec["EndpointName"]), record.spec["VariantName"])
    return resolve(ctx, specification(given, host), host, 0, 0)


def _replaced(fleets: Fleets, wanted: Fleet, copies: int | None, rolling: Request, now: float) -> Fleets:
    assert fleets.serving
    generation = fleets.generation + 1
    (copy,) = wanted.variants
    count = fleets.serving.variants[0].count if copies is None else copies
    upcoming = msgspec.structs.replace(
        wanted, generation=generation, variants=(msgspec.structs.replace(copy, count=count),)
    )
    return msgspec.structs.replace(rollout.begin(fleets, upcoming, rolling, now), generation=generation)


def _rolling(request: Request) -> Request:
    """The DeploymentConfig as an endpoint's would be: copies are its instances."""
    asked = request.get("DeploymentConfig", {})
    policy = {**ONE_BY_ONE, **asked.get("RollingUpdatePolicy", {})}
    for member in ("MaximumBatchSize", "RollbackMaximumBatchSize"):
        if policy.get(member, {}).get("Type") == "COPY_COUNT":
            policy[member] = {**policy[member], "Type": "INSTANCE_COUNT"}
    return {**asked, "RollingUpdatePolicy": policy}


@operation("DeleteEndpoint")
def delete_endpoint(ctx: Context, request: Request) -> Request:
    """As the common verb, but for an endpoint that has components."""
    record = find(ctx, ENDPOINT, request)
    refuse_with_components(ctx, record)
    move(ctx, ENDPOINT, record, "delete")
    return {}


OPERATIONS = (create_component, update_component, update_copies, delete_endpoint)
