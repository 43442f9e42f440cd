"""The operations of Service Quotas. The only service is SageMaker, the only quotas are those of its instances."""

from typing import Any, NoReturn

from clary.companions import tokens
from clary.companions.service_quotas import names, values
from clary.companions.service_quotas.names import DEFAULT, Quota
from clary.companions.service_quotas.values import Change
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation

CODE, NAME = "sagemaker", "Amazon SageMaker"
PAGE = 100


@operation("ListServices", "service-quotas")
def list_services(ctx: Context, request: Request) -> Response:
    _after("services", request, str)
    return {"Services": [{"ServiceCode": CODE, "ServiceName": NAME}]}


@operation("ListServiceQuotas", "service-quotas")
def list_service_quotas(ctx: Context, request: Request) -> Response:
    """With the values that hold: what was set, else the default."""
    applied = values.all_applied(ctx)
    found, more = _page(request)
    return {"Quotas": [_applied(ctx, quota, applied.get(quota.code, DEFAULT)) for quota in found]} | more


@operation("ListAWSDefaultServiceQuotas", "service-quotas")
def list_defaults(ctx: Context, request: Request) -> Response:
    found, more = _page(request)
    return {"Quotas": [_default(ctx, quota) for quota in found]} | more


@operation("GetServiceQuota", "service-quotas")
def get_service_quota(ctx: Context, request: Request) -> Response:
    quota = _find(request)
    value = values.applied(ctx, quota.code)
    return {"Quota": _applied(ctx, quota, DEFAULT if value is None else value)}


@operation("GetAWSDefaultServiceQuota", "service-quotas")
def get_default(ctx: Context, request: Request) -> Response:
    return {"Quota": _default(ctx, _find(request))}


@operation("RequestServiceQuotaIncrease", "service-quotas")
def request_increase(ctx: Context, request: Request) -> Response:
    """Granted when it returns. A lower value is a request like any other: whoever asks owns the machine."""
    quota, desired = _find(request), request["DesiredValue"]
    if desired != int(desired):
        raise _error("IllegalArgumentException", "The desired value of this quota must be a whole number.")
    return {"RequestedQuota": _change(ctx, values.change(ctx, quota.code, desired))}


@operation("GetRequestedServiceQuotaChange", "service-quotas")
def get_change(ctx: Context, request: Request) -> Response:
    found = values.found(ctx, request["RequestId"])
    if found is None:
        _missing("request")
    return {"RequestedQuota": _change(ctx, found)}


@operation("ListRequestedServiceQuotaChangeHistory", "service-quotas")
def list_history(ctx: Context, request: Request) -> Response:
    if "ServiceCode" in request:
        _check_service(request)
    return _history(ctx, request, None)


@operation("ListRequestedServiceQuotaChangeHistoryByQuota", "service-quotas")
def list_history_of_quota(ctx: Context, request: Request) -> Response:
    return _history(ctx, request, _find(request).code)


def _history(ctx: Context, request: Request, code: str | None) -> Response:
    limit = request.get("MaxResults", PAGE)
    after = _after(f"history {code}", request, float, str)
    wanted = request.get("Status", "APPROVED") == "APPROVED" and request.get("QuotaRequestedAtLevel") != "RESOURCE"
    found = values.history(ctx, code, after, limit + 1) if wanted else []
    shown = [_change(ctx, change) for change in found[:limit]]
    if len(found) <= limit:
        return {"RequestedQuotas": shown}
    last = found[limit - 1]
    return {"RequestedQuotas": shown, "NextToken": tokens.write(f"history {code}", last.at, last.id)}


def _page(request: Request) -> tuple[list[Quota], Response]:
    _check_service(request)
    code = request.get("QuotaCode")
    level = request.get("QuotaAppliedAtLevel", "ACCOUNT")
    quotas = [one for one in names.every().values() if code in (None, one.code) and level != "RESOURCE"]
    listing = f"quotas {code}"
    _after(listing, request, str)
    limit = request.get("MaxResults", PAGE)
    found, more = tokens.page(quotas, lambda one: one.name, listing, request.get("NextToken"), limit)
    return found, {"NextToken": more} if more else {}


def _after(listing: str, request: Request, *kinds: type) -> list[Any] | None:
    token = request.get("NextToken")
    try:
        return tokens.read(listing, token, *kinds) if token else None
    except tokens.BadToken as error:
        raise _error("InvalidPaginationTokenException", "The pagination token is invalid.") from error


def _check_service(request: Request) -> None:
    if request["ServiceCode"] != CODE:
        _missing("service")


def _find(request: Request) -> Quota:
    _check_service(request)
    quota = names.every().get(request["QuotaCode"])
    if quota is None:
        _missing("service quota")
    return quota


def _quota(ctx: Context, quota: Quota, account: str) -> dict[str, Any]:
    return {
        "ServiceCode": CODE,
        "ServiceName": NAME,
        "QuotaArn": f"arn:aws:servicequotas:{ctx.region}:{account}:{CODE}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Unit": "None",
        "GlobalQuota": False,
    }


def _applied(ctx: Context, quota: Quota, value: float) -> dict[str, Any]:
    shown = _quota(ctx, quota, ctx.account)
    return shown | {"Value": value, "Adjustable": True, "QuotaAppliedAtLevel": "ACCOUNT"}


def _default(ctx: Context, quota: Quota) -> dict[str, Any]:
    return _quota(ctx, quota, "") | {"Value": DEFAULT, "Adjustable": True}


def _change(ctx: Context, change: Change) -> dict[str, Any]:
    return _quota(ctx, names.every().get(change.code, Quota(change.code, change.code)), ctx.account) | {
        "Id": change.id,
        "DesiredValue": change.desired,
        "Status": "APPROVED",
        "Created": change.at,
        "LastUpdated": change.at,
        "Requester": change.requester,
        "QuotaRequestedAtLevel": "ACCOUNT",
    }


def _missing(what: str) -> NoReturn:
    raise _error("NoSuchResourceException", f"The request failed because the specified {what} does not exist.")


def _error(code: str, text: str) -> AwsError:
    return AwsError(text, code=code, status=400)
