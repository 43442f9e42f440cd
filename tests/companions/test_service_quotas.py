"""Quotas as boto3's client reads and sets them. What they do to creates: tests/capabilities/instances."""

from typing import Any

import pytest
from tests.companions.refusals import refused
from tests.companions.tenants import Tenant

from clary.catalogue import types
from clary.companions.service_quotas import names
from clary.companions.service_quotas.names import Quota

TRAINING = names.quota("training", "ml.m5.xlarge")


@pytest.fixture
def quotas(tenant: Tenant) -> Any:
    return tenant.client("service-quotas")


def value(quotas: Any, code: str = TRAINING.code) -> float:
    found: float = quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=code)["Quota"]["Value"]
    return found


def test_codes_are_stable_and_no_two_are_alike() -> None:
    assert Quota("L-4A9F5CE1", "ml.m5.xlarge for training job usage")._replace(code=TRAINING.code) == TRAINING
    expected = {"notebook": 1, "training": 3, "processing": 1, "hosting": 1, "transform": 1, "app": 2, "cluster": 1}
    wanted = sum(expected[use] for one in types.every().values() for use in one.uses if one.name != "system")
    assert len(names.every()) == wanted


def test_names_follow_the_usages() -> None:
    shown = {one.name for one in names.every().values()}
    assert {
        "ml.t2.medium for notebook instance usage",
        "ml.p4d.24xlarge for spot training job usage",
        "ml.p4d.24xlarge for training warm pool usage",
        "ml.m5.large for processing job usage",
        "ml.t2.medium for endpoint usage",
        "ml.m4.xlarge for transform job usage",
        "Studio JupyterLab Apps running on ml.t3.medium instances",
        "Studio KernelGateway Apps running on ml.t3.medium instance",
    } <= shown
    assert "ml.t2.medium for training job usage" not in shown


def test_services(quotas: Any) -> None:
    services = quotas.list_services()["Services"]
    assert services == [{"ServiceCode": "sagemaker", "ServiceName": "Amazon SageMaker"}]


def test_all_quotas_page_by_page(quotas: Any) -> None:
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    found = [quota for page in pages for quota in page["Quotas"]]
    assert [quota["QuotaCode"] for quota in found] == list(names.every())
    assert {quota["Value"] for quota in found} == {names.DEFAULT}
    pages = quotas.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode="sagemaker")
    assert [quota["QuotaCode"] for page in pages for quota in page["Quotas"]] == list(names.every())
    one = quotas.list_service_quotas(ServiceCode="sagemaker", QuotaCode=TRAINING.code)["Quotas"]
    assert [quota["QuotaName"] for quota in one] == [TRAINING.name]


def test_a_quota_and_its_default(quotas: Any, tenant: Tenant) -> None:
    quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=TRAINING.code, DesiredValue=7)
    quota = quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode=TRAINING.code)["Quota"]
    assert quota == {
        "ServiceCode": "sagemaker",
        "ServiceName": "Amazon SageMaker",
        "QuotaArn": f"arn:aws:servicequotas:us-east-1:{tenant.account}:sagemaker/{TRAINING.code}",
        "QuotaCode": TRAINING.code,
        "QuotaName": "ml.m5.xlarge for training job usage",
        "Value": 7.0,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }
    default = quotas.get_aws_default_service_quota(ServiceCode="sagemaker", QuotaCode=TRAINING.code)["Quota"]
    assert default["Value"] == names.DEFAULT
    assert default["QuotaArn"] == f"arn:aws:servicequotas:us-east-1::sagemaker/{TRAINING.code}"


def test_requests_set_at_once_and_are_remembered(quotas: Any, tenant: Tenant) -> None:
    ask = {"ServiceCode": "sagemaker", "QuotaCode": TRAINING.code}
    made = [quotas.request_service_quota_increase(**ask, DesiredValue=n)["RequestedQuota"] for n in (5, 0, 2)]
    assert [one["Status"] for one in made] == ["APPROVED"] * 3
    assert value(quotas) == 2
    assert quotas.get_requested_service_quota_change(RequestId=made[0]["Id"])["RequestedQuota"] == made[0]
    other = names.quota("hosting", "ml.m5.xlarge").code
    quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=other, DesiredValue=1)
    pages = quotas.get_paginator("list_requested_service_quota_change_history").paginate(
        ServiceCode="sagemaker", PaginationConfig={"PageSize": 3}
    )
    assert [[one["DesiredValue"] for one in page["RequestedQuotas"]] for page in pages] == [[5, 0, 2], [1]]
    of_one = quotas.list_requested_service_quota_change_history_by_quota(**ask)["RequestedQuotas"]
    assert of_one == made
    assert tenant.account in of_one[0]["Requester"]
    assert quotas.list_requested_service_quota_change_history(Status="DENIED")["RequestedQuotas"] == []


def test_quotas_belong_to_an_account_and_a_region(quotas: Any, tenant: Tenant) -> None:
    made = quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=TRAINING.code, DesiredValue=3)
    elsewhere = tenant.client("service-quotas", region="eu-west-1")
    stranger = Tenant(tenant.site).client("service-quotas")
    for other in (elsewhere, stranger):
        assert value(other) == names.DEFAULT
        with refused("NoSuchResourceException"):
            other.get_requested_service_quota_change(RequestId=made["RequestedQuota"]["Id"])


def test_what_is_refused(quotas: Any, tenant: Tenant) -> None:
    ask = {"ServiceCode": "sagemaker", "QuotaCode": TRAINING.code}
    unchecked = tenant.client("service-quotas", parameter_validation=False)
    for wrong in (-1, 1e11):
        with refused("IllegalArgumentException", "desiredValue"):
            unchecked.request_service_quota_increase(**ask, DesiredValue=wrong)
    with refused("IllegalArgumentException", "whole number"):
        quotas.request_service_quota_increase(**ask, DesiredValue=1.5)
    with refused("NoSuchResourceException", "specified service does not exist"):
        quotas.list_service_quotas(ServiceCode="ec2")
    with refused("NoSuchResourceException", "specified service quota does not exist"):
        quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode="L-00000000")
    token = quotas.list_service_quotas(ServiceCode="sagemaker")["NextToken"]
    for call, given in ((quotas.list_services, {}), (quotas.list_requested_service_quota_change_history, {})):
        with refused("InvalidPaginationTokenException"):
            call(NextToken=token, **given)
    assert value(quotas) == names.DEFAULT
