"""Fleet files, and which host carries what."""

import json
from pathlib import Path

import pytest
from msgspec import ValidationError

from clary.catalogue import types
from clary.catalogue.fleet import Fleet, Host, read, zone_id

TWO = """
[[hosts]]
name = "gpu"
region = "eu-west-1"
zone = "eu-west-1b"
types = ["ml.g5.*", "ml.m5.large"]
cpus = 16
memory_gib = 64
gpus = 1

[[hosts]]
name = "cpu"
region = "us-east-1"
zone = "us-east-1a"
"""
HOSTS = (
    Host(
        name="gpu",
        region="eu-west-1",
        zone="eu-west-1b",
        types=("ml.g5.*", "ml.m5.large"),
        cpus=16,
        memory_gib=64,
        gpus=1,
    ),
    Host(name="cpu", region="us-east-1", zone="us-east-1a"),
)


def here(region: str = "") -> Host:
    return Host(name="here", region=region, zone=f"{region}a" if region else "", cpus=2, memory_gib=8)


def test_a_file_in_toml_and_json(tmp_path: Path) -> None:
    toml = tmp_path / "fleet.toml"
    toml.write_text(TWO)
    assert read(toml) == HOSTS
    other = tmp_path / "fleet.json"
    other.write_text(json.dumps({"hosts": [{"name": "cpu", "region": "us-east-1", "zone": "us-east-1a"}]}))
    assert read(other) == HOSTS[1:]


def test_where_the_hosts_are_and_what_they_carry() -> None:
    fleet = Fleet("us-east-1", lambda: HOSTS)
    assert (fleet.regions, fleet.zones("eu-west-1"), fleet.zones("sa-east-1")) == (
        ("eu-west-1", "us-east-1"),
        ["eu-west-1b"],
        [],
    )
    one_gpu = ["ml.g5.xlarge", "ml.g5.2xlarge", "ml.g5.4xlarge", "ml.g5.8xlarge", "ml.g5.16xlarge"]
    assert [one.name for one in fleet.types("eu-west-1")] == [*one_gpu, "ml.m5.large"]
    assert list(fleet.types("eu-west-1", "eu-west-1a")) == []
    carried = {one.name for one in fleet.types("us-east-1")}
    assert carried == {name for name, one in types.every().items() if one.cpus and not one.acc}


def test_without_a_file_this_machine_is_in_any_region() -> None:
    fleet = Fleet("us-east-1", lambda: (here(),))
    assert (fleet.regions, fleet.hosts("eu-west-1")) == (("us-east-1",), (here("eu-west-1"),))
    assert fleet.hosts("atlantis-1") == ()
    assert "ml.g5.xlarge" not in {one.name for one in fleet.types("us-east-1")}


def test_gpu_types_on_cpu_are_carried() -> None:
    carried = {one.name for one in Fleet("us-east-1", lambda: (here(),), gpu_types_on_cpu=True).types("us-east-1")}
    assert {"ml.g5.48xlarge", "ml.inf2.xlarge"} <= carried


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("us-east-1a", "use1-az1"),
        ("ap-southeast-2c", "apse2-az3"),
        ("us-gov-west-1b", "usgw1-az2"),
        ("cn-northwest-1a", "cnnw1-az1"),
        ("ca-central-1b", "cac1-az2"),
    ],
)
def test_zone_ids(zone: str, expected: str) -> None:
    assert zone_id(zone) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TWO.replace('"eu-west-1"', '"eu-wst-1"'), "host gpu: 'eu-wst-1' is not an AWS Region"),
        (TWO.replace("eu-west-1b", "eu-west-2b"), "host gpu: 'eu-west-2b' is not a zone of eu-west-1"),
        (TWO.replace("ml.g5.*", "ml.g5.huge"), "host gpu: there is no instance type 'ml.g5.huge'"),
        (TWO.replace('"cpu"', '"gpu"'), "host names must be unique, and gpu is there twice"),
        (TWO.replace("gpus = 1", "gpus = -1"), "Expected `int` >= 0 - at `$.hosts[0].gpus`"),
        (TWO.replace("cpus = 16", 'cpus = "many"'), "Expected `int | null`, got `str` - at `$.hosts[0].cpus`"),
        (TWO.replace("cpus = 16", "cpu = 16"), "unknown field `cpu` - at `$.hosts[0]`"),
        (TWO.replace('name = "gpu"', 'name = "../x"'), "at `$.hosts[0].name`"),
        (TWO + "[[host]]\n", "unknown field `host`"),
        ("hosts = 3", "Expected `array`, got `int`"),
        ("", "it has no [[hosts]]"),
        ("[[hosts", "Expected ']]'"),
        ("a=" + "[" * 100_000, "fleet.toml: "),
        ("x" * 1_100_000, "it is larger than 1 MiB"),
        ("\udcff", "it cannot be read"),
    ],
)
def test_wrong_files_are_refused_with_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "fleet.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValidationError) as caught:
        read(file)
    assert words in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="it cannot be read"):
        read(tmp_path / "none.toml")
