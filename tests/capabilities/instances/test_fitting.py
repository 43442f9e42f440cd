"""Instance types and what a machine gives for them."""

import botocore.session
import pytest

from clary.capabilities.instances import Figures, Fit, Machine, NoCapacity, figures, fit
from clary.runtime.workload import Limits

GIB = 1024**3
SMALL = Machine(cpus=2, memory_bytes=8 * GIB, gpus=0)
LARGE = Machine(cpus=64, memory_bytes=512 * GIB, gpus=4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ml.m4.xlarge", Figures(4, 16 * GIB, 0, False)),
        ("ml.m5.large", Figures(2, 8 * GIB, 0, False)),
        ("ml.m5.24xlarge", Figures(96, 384 * GIB, 0, False)),
        ("ml.c5.9xlarge", Figures(36, 72 * GIB, 0, False)),
        ("ml.c4.8xlarge", Figures(36, 60 * GIB, 0, False)),
        ("ml.r5.4xlarge", Figures(16, 128 * GIB, 0, False)),
        ("ml.t2.medium", Figures(2, 4 * GIB, 0, False)),
        ("ml.p2.xlarge", Figures(4, 61 * GIB, 1, True)),
        ("ml.p3.2xlarge", Figures(8, 61 * GIB, 1, True)),
        ("ml.g5.48xlarge", Figures(192, 768 * GIB, 8, True)),
        ("ml.g6e.xlarge", Figures(4, 32 * GIB, 1, True)),
        ("ml.trn1.2xlarge", Figures(8, 32 * GIB, 0, True)),
        ("ml.p9.huge", Figures(None, None, 1, True)),
    ],
)
def test_figures(name: str, expected: Figures) -> None:
    assert figures(name) == expected


def test_every_type_of_the_model_has_an_answer() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    for name in model.shape_for("TrainingInstanceType").enum:
        found = figures(name)
        assert found.cpus is None or 1 <= found.cpus <= 448, name


def test_a_type_that_fits_gets_what_it_has() -> None:
    assert fit("ml.m5.xlarge", LARGE) == Fit(Limits(cpus=4, memory_bytes=16 * GIB))
    assert fit("ml.p3.8xlarge", LARGE) == Fit(Limits(cpus=32, memory_bytes=244 * GIB, gpus=4))


def test_a_larger_type_is_capped_and_says_so() -> None:
    assert fit("ml.m5.4xlarge", SMALL) == Fit(
        Limits(cpus=2, memory_bytes=8 * GIB),
        "ml.m5.4xlarge runs with 2 of 16 vCPU, 8 of 64 GiB memory, all that this machine has",
    )


@pytest.mark.parametrize(
    ("name", "machine"), [("ml.p3.2xlarge", SMALL), ("ml.g5.48xlarge", LARGE), ("ml.inf1.xlarge", LARGE)]
)
def test_missing_accelerators_are_refused_in_aws_words(name: str, machine: Machine) -> None:
    with pytest.raises(NoCapacity, match=r"^CapacityError: Unable to provision requested ML compute capacity"):
        fit(name, machine)


def test_a_setting_runs_gpu_types_on_the_cpu() -> None:
    assert fit("ml.p3.2xlarge", SMALL, gpu_types_on_cpu=True) == Fit(
        Limits(cpus=2, memory_bytes=8 * GIB, gpus=0),
        "ml.p3.2xlarge runs with 2 of 8 vCPU, 8 of 61 GiB memory, 0 of 1 GPU, all that this machine has",
    )
