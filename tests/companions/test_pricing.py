"""The price list as boto3's client reads it."""

import json
from typing import Any

import pytest
from tests.companions.refusals import refused
from tests.companions.tenants import Tenant

from clary.catalogue import types


@pytest.fixture
def pricing(tenant: Tenant) -> Any:
    return tenant.client("pricing")


def products(pricing: Any, kind: str = "TERM_MATCH", **fields: str) -> list[dict[str, Any]]:
    filters = [{"Type": kind, "Field": field, "Value": value} for field, value in fields.items()]
    pages = pricing.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters)
    return [json.loads(item) for page in pages for item in page["PriceList"]]


def test_services_and_attribute_values(pricing: Any) -> None:
    [service] = pricing.describe_services(ServiceCode="AmazonSageMaker")["Services"]
    assert {"instanceName", "component", "regionCode", "productFamily"} <= set(service["AttributeNames"])
    pages = pricing.get_paginator("get_attribute_values").paginate(
        ServiceCode="AmazonSageMaker", AttributeName="component", PaginationConfig={"PageSize": 2}
    )
    values = [value["Value"] for page in pages for value in page["AttributeValues"]]
    assert values == ["Hosting", "Notebook", "Processing", "Studio-JupyterLab", "Training"]


def test_a_product_has_aws_form(pricing: Any) -> None:
    [found] = products(pricing, instanceName="ml.g5.xlarge", component="training", regionCode="us-east-1")
    sku = found["product"]["sku"]
    assert found["product"] == {
        "productFamily": "ML Instance",
        "sku": sku,
        "attributes": {
            "servicecode": "AmazonSageMaker",
            "servicename": "Amazon SageMaker",
            "instanceName": "ml.g5.xlarge",
            "instanceType": "ml.g5.xlarge-Training",
            "component": "Training",
            "platoinstancename": "ml.g5.xlarge",
            "platoinstancetype": "Training",
            "vCpu": "4",
            "memory": "16 GiB",
            "gpu": "1",
            "physicalGpu": "A10G",
            "gpuMemory": "22.4",
            "networkPerformance": "Up to 10 Gigabit",
            "currentGeneration": "No",
            "location": "US East (N. Virginia)",
            "locationType": "AWS Region",
            "regionCode": "us-east-1",
            "usagetype": "USE1-Train:ml.g5.xlarge",
            "operation": "RunInstance",
        },
    }
    offer = found["terms"]["OnDemand"][f"{sku}.JRTCKXETXF"]
    assert (len(sku), offer["sku"], offer["offerTermCode"]) == (16, sku, "JRTCKXETXF")
    assert offer["effectiveDate"] == found["publicationDate"] == "2026-09-27T00:00:00Z"
    assert offer["priceDimensions"] == {
        f"{sku}.JRTCKXETXF.6YS6EN2CT7": {
            "rateCode": f"{sku}.JRTCKXETXF.6YS6EN2CT7",
            "description": "$1.41 per Training ml.g5.xlarge hour in US East (N. Virginia)",
            "unit": "Hrs",
            "beginRange": "0",
            "endRange": "Inf",
            "appliesTo": [],
            "pricePerUnit": {"USD": "1.4100000000"},
        }
    }


def test_every_price_of_the_catalogue_is_a_product_and_no_other(pricing: Any) -> None:
    found = products(pricing)
    shown = {(one["product"]["attributes"]["instanceName"], one["product"]["attributes"]["component"]) for one in found}
    assert len(shown) == len(found) == len({one["product"]["sku"] for one in found})
    words = {"Studio-JupyterLab": "app"}
    for name, component in shown:
        usage = words.get(component, component.lower())
        assert types.price(types.every()[name], usage, "us-east-1")
    priced = [one for one in types.every().values() for use in types.USAGES if types.price(one, use, "us-east-1")]
    assert len(shown) == len(priced)


def test_what_has_no_price_is_not_listed(pricing: Any) -> None:
    assert products(pricing, instanceName="ml.m4.xlarge") == []
    assert products(pricing, instanceName="ml.m5.xlarge", component="Batch Transform") == []
    assert products(pricing, instanceName="ml.m5.xlarge", regionCode="eu-west-1") == []
    assert products(pricing, colour="blue") == []


def test_filters_of_other_kinds(pricing: Any) -> None:
    assert len(products(pricing, "CONTAINS", usagetype="USE1-Host:ml.t2.")) == 4
    anyone = products(pricing, "ANY_OF", instanceType="ml.m5.large-Training, ml.m5.large-Hosting")
    assert len(anyone) == 2
    assert len(products(pricing, "NONE_OF", component="Hosting,Training")) < len(products(pricing))
    assert len(products(pricing, "EQUALS", instanceName="ml.m5.xlarge")) == 5


def test_what_is_refused(pricing: Any) -> None:
    with refused("InvalidParameterException", "AmazonEC2"):
        pricing.get_products(ServiceCode="AmazonEC2")
    with refused("InvalidParameterException", "aws_v2"):
        pricing.get_products(ServiceCode="AmazonSageMaker", FormatVersion="aws_v2")
    with refused("NotFoundException", "colour"):
        pricing.get_attribute_values(ServiceCode="AmazonSageMaker", AttributeName="colour")
    with refused("InvalidNextTokenException"):
        pricing.get_products(ServiceCode="AmazonSageMaker", NextToken="nonsense")
