"""The table of services says what botocore's models say."""

import pytest

from clary.wire.models import Models
from clary.wire.services import ALL, Service


@pytest.mark.parametrize("service", ALL, ids=lambda service: str(service.name))
def test_the_table_equals_the_model(service: Service) -> None:
    metadata = Models().service(service.name).metadata
    assert service.signing == metadata.get("signingName", metadata["endpointPrefix"])
    assert service.target == metadata.get("targetPrefix", "")
    assert set(service.protocols) <= set(metadata.get("protocols") or [metadata["protocol"]])
    assert service.version in ("", metadata["apiVersion"])


def test_sagemaker_and_its_data_planes_are_all_there() -> None:
    names = [service.name for service in ALL if service.signing == "sagemaker"]
    assert names == [
        "sagemaker",
        "sagemaker-runtime",
        "sagemaker-featurestore-runtime",
        "sagemaker-metrics",
        "sagemaker-a2i-runtime",
        "sagemakerjobruntime",
        "sagemakertrainingsessionruntime",
        "sagemaker-inference-router-runtime",
        "sagemaker-edge",
    ]
    assert len(Models().service("sagemaker").operation_names) == 425


def test_models_carry_no_documentation() -> None:
    assert "documentation" not in Models().service("sagemaker")._service_description["shapes"]["TrainingJobName"]
