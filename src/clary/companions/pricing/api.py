"""The operations of the Price List service. It answers in every Region for the Regions that have prices."""

from typing import Any

import msgspec

from clary.companions import tokens
from clary.companions.pricing import products
from clary.companions.pricing.products import SERVICE
from clary.wire.context import Context
from clary.wire.errors import AwsError
from clary.wire.operations import Request, Response, operation

FORMAT = "aws_v1"
FAMILY = "productFamily"


@operation("DescribeServices", "pricing")
def describe_services(ctx: Context, request: Request) -> Response:
    _check(request, required=False)
    return {"Services": [{"ServiceCode": SERVICE, "AttributeNames": _attributes()}], "FormatVersion": FORMAT}


@operation("GetAttributeValues", "pricing")
def get_attribute_values(ctx: Context, request: Request) -> Response:
    _check(request)
    name = request["AttributeName"]
    if name not in _attributes():
        raise _error("NotFoundException", f"Attribute {name} is not found")
    found = sorted({_value(product, name) for product in products.every()})
    shown, more = _page(found, f"values {name}", request, 100)
    return {"AttributeValues": [{"Value": value} for value in shown]} | more


@operation("GetProducts", "pricing")
def get_products(ctx: Context, request: Request) -> Response:
    """Products that match all filters; each is JSON in text, as AWS gives it."""
    _check(request)
    found = products.every()
    for given in request.get("Filters", ()):
        found = [product for product in found if _passes(product, given)]
    by_sku = {product["product"]["sku"]: product for product in found}
    shown, more = _page(sorted(by_sku), f"products {request.get('Filters')}", request, 100)
    listed = [msgspec.json.encode(by_sku[sku]).decode() for sku in shown]
    return {"FormatVersion": FORMAT, "PriceList": listed} | more


def _passes(product: dict[str, Any], given: dict[str, str]) -> bool:
    """As AWS matches: without regard to case. A field that no product has matches nothing."""
    value, wanted = _value(product, given["Field"]).lower(), given["Value"].lower()
    many = [part.strip() for part in wanted.split(",")]
    match given["Type"]:
        case "CONTAINS":
            return wanted in value
        case "ANY_OF":
            return value in many
        case "NONE_OF":
            return value not in many
        case _:
            return value == wanted


def _value(product: dict[str, Any], name: str) -> str:
    described = product["product"]
    found = described[name] if name in (FAMILY, "sku") else described["attributes"].get(name, "")
    return str(found)


def _attributes() -> list[str]:
    return sorted({FAMILY, *products.every()[0]["product"]["attributes"]})


def _page(items: list[str], listing: str, request: Request, most: int) -> tuple[list[str], Response]:
    token = request.get("NextToken")
    try:
        found, more = tokens.page(items, lambda one: one, listing, token, request.get("MaxResults", most))
    except tokens.BadToken as error:
        raise _error("InvalidNextTokenException", "The next token is invalid.") from error
    return found, {"NextToken": more} if more else {}


def _check(request: Request, required: bool = True) -> None:
    if request.get("FormatVersion", FORMAT) != FORMAT:
        raise _error("InvalidParameterException", f"Format version {request['FormatVersion']} is not supported")
    code = request.get("ServiceCode")
    if code != SERVICE and (required or code is not None):
        raise _error("InvalidParameterException", f"Service code {code} is not supported: only {SERVICE} is here")


def _error(code: str, text: str) -> AwsError:
    return AwsError(text, code=code, status=400)
