"""The catalogue against botocore's enums, and figures against AWS's published ones."""

import gc

import botocore.session
import pytest

from clary.catalogue import types
from clary.catalogue.types import Accelerators

ENUMS = {
    "notebook": "InstanceType",
    "training": "TrainingInstanceType",
    "processing": "ProcessingInstanceType",
    "hosting": "ProductionVariantInstanceType",
    "transform": "TransformInstanceType",
    "app": "AppInstanceType",
    "cluster": "ClusterInstanceType",
}
WITHOUT_FIGURES = {"system", "ml.geospatial.interactive", "ml.p6e-gb200.36xlarge"}
"""Not EC2 types, or not in any source."""


@pytest.mark.parametrize("usage", types.USAGES)
def test_every_enum_value_of_botocore_is_there_with_its_usage(usage: str) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    there = {name for name, one in types.every().items() if usage in one.uses}
    assert there == set(model.shape_for(ENUMS[usage]).enum)


def test_every_type_has_figures_but_those_that_no_source_has() -> None:
    assert {name for name, one in types.every().items() if one.cpus is None} == WITHOUT_FIGURES
    assert {name for name, one in types.every().items() if one.mib is None} == WITHOUT_FIGURES


@pytest.mark.parametrize(
    ("name", "cpus", "gib", "net"),
    [
        ("ml.t2.medium", 2, 4, "Low to Moderate"),
        ("ml.t3.medium", 2, 4, "Up to 5 Gigabit"),
        ("ml.m4.xlarge", 4, 16, "High"),
        ("ml.m5.large", 2, 8, "Up to 10 Gigabit"),
        ("ml.m5.4xlarge", 16, 64, "Up to 10 Gigabit"),
        ("ml.m5.12xlarge", 48, 192, "12 Gigabit"),
        ("ml.m5.24xlarge", 96, 384, "25 Gigabit"),
        ("ml.c5.9xlarge", 36, 72, "12 Gigabit"),
        ("ml.c5.18xlarge", 72, 144, "25 Gigabit"),
        ("ml.r5.4xlarge", 16, 128, "Up to 10 Gigabit"),
        ("ml.p2.xlarge", 4, 61, "High"),
        ("ml.p3.16xlarge", 64, 488, "25 Gigabit"),
        ("ml.p3dn.24xlarge", 96, 768, "100 Gigabit"),
        ("ml.p4d.24xlarge", 96, 1152, "4x 100 Gigabit"),
        ("ml.p5.48xlarge", 192, 2048, "3200 Gigabit"),
        ("ml.g4dn.12xlarge", 48, 192, "50 Gigabit"),
        ("ml.g5.48xlarge", 192, 768, "100 Gigabit"),
        ("ml.g6e.xlarge", 4, 32, "Up to 20 Gigabit"),
        ("ml.inf2.xlarge", 4, 16, "Up to 15 Gigabit"),
        ("ml.trn1.32xlarge", 128, 512, "8x 100 Gigabit"),
    ],
)
def test_figures(name: str, cpus: int, gib: int, net: str) -> None:
    one = types.every()[name]
    assert (one.cpus, (one.mib or 0) / 1024, one.net) == (cpus, gib, net)


@pytest.mark.parametrize(
    ("name", "accelerators"),
    [
        ("ml.m5.xlarge", None),
        ("ml.p2.xlarge", Accelerators("gpu", "NVIDIA", "K80", 1, 12 * 1024)),
        ("ml.p3.8xlarge", Accelerators("gpu", "NVIDIA", "V100", 4, 16 * 1024)),
        ("ml.p4de.24xlarge", Accelerators("gpu", "NVIDIA", "A100", 8, 80 * 1024)),
        ("ml.p5en.48xlarge", Accelerators("gpu", "NVIDIA", "H200", 8, 141 * 1024)),
        ("ml.g4dn.xlarge", Accelerators("gpu", "NVIDIA", "T4", 1, 16 * 1024)),
        ("ml.g5.12xlarge", Accelerators("gpu", "NVIDIA", "A10G", 4, 22888)),
        ("ml.inf2.xlarge", Accelerators("neuron", "AWS", "Inferentia2", 1, 32 * 1024, 2)),
        ("ml.trn1.32xlarge", Accelerators("neuron", "AWS", "Trainium", 16, 32 * 1024, 2)),
        ("ml.trn2.48xlarge", Accelerators("neuron", "AWS", "Trainium2", 16, 96 * 1024, 8)),
        ("ml.dl1.24xlarge", Accelerators("gaudi", "Habana", "Gaudi HL-205", 8, 32 * 1024)),
    ],
)
def test_accelerators(name: str, accelerators: Accelerators | None) -> None:
    assert types.every()[name].acc == accelerators


def test_local_disks_and_ebs() -> None:
    every = types.every()
    disks = {name: every[f"ml.{name}"].disk for name in ("p3dn.24xlarge", "p5.48xlarge", "g4dn.xlarge", "g5.xlarge")}
    assert disks == {
        "p3dn.24xlarge": (2, 900),
        "p5.48xlarge": (8, 3800),
        "g4dn.xlarge": (1, 125),
        "g5.xlarge": (1, 250),
    }
    assert (every["ml.m4.xlarge"].ebs, every["ml.m5.xlarge"].disk) == ((750, 750), None)


def test_offerings_name_known_regions_and_are_absent_for_withdrawn_types() -> None:
    assert types.offered(types.every()["ml.p2.xlarge"]) == {}
    assert types.offered(types.every()["ml.trn2.48xlarge"])["us-east-2"] == ["use2-az1", "use2-az2", "use2-az3"]
    for one in types.every().values():
        assert set(types.offered(one)) <= set(types.regions())


def test_prices_have_a_date_and_are_absent_where_unknown() -> None:
    known = types.price(types.every()["ml.m5.xlarge"], "training", "us-east-1")
    assert known is not None
    assert (known.usd, known.date) == (0.23, "2026-09-27")
    assert "AWS Price List" in known.source
    every = types.every()
    assert types.price(every["ml.m5.xlarge"], "training", "eu-west-1") is None
    assert types.price(every["ml.m5.xlarge"], "transform", "us-east-1") is None
    assert types.price(every["ml.m4.xlarge"], "training", "us-east-1") is None
    assert types.price(every["ml.t2.medium"], "training", "us-east-1") is None


def test_the_loaded_catalogue_is_small() -> None:
    types.document()
    gc.collect()
    assert types.FILE.stat().st_size < 128 * 1024
