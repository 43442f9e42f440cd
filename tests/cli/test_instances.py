"""`clary instances` on a real Clary, with and without a fleet file."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.servers import Clary

from clary.catalogue import types
from clary.cli.main import USAGES

FLEET = """
[[hosts]]
name = "gpu"
region = "eu-west-1"
zone = "eu-west-1b"
types = ["ml.g5.*", "ml.m5.*"]
cpus = 8
memory_gib = 64
gpus = 1

[[hosts]]
name = "cpu"
region = "us-east-1"
zone = "us-east-1c"
types = ["ml.c5.*"]
"""


@pytest.fixture(scope="module")
def clary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    folder = tmp_path_factory.mktemp("instances")
    (folder / "fleet.toml").write_text(FLEET)
    with Clary(folder / "home", fleet=str(folder / "fleet.toml")) as clary:
        yield clary.start()


def rows(clary: Clary, *words: str) -> dict[str, dict[str, Any]]:
    found = json.loads(clary.command("instances", "--json", *words, check=True).stdout)
    return {row["type"]: row for row in found}


def test_the_command_line_knows_the_usages() -> None:
    assert USAGES == types.USAGES


def test_types_beside_what_the_hosts_can_do(clary: Clary) -> None:
    found = rows(clary, "--region", "eu-west-1")
    assert found.keys() == types.every().keys()
    said = {name: (found[name]["here"], found[name]["why"], found[name]["zones"]) for name in found}
    assert said["ml.m5.2xlarge"] == ("fits", "", ["eu-west-1b"])
    assert said["ml.m5.4xlarge"] == ("capped", "8 of 16 vCPU", ["eu-west-1b"])
    assert said["ml.g5.xlarge"] == ("fits", "", ["eu-west-1b"])
    assert said["ml.g5.12xlarge"] == ("refused", "no host has its accelerators", [])
    assert said["ml.c5.xlarge"] == ("refused", "no host lists it", [])
    assert said["ml.trn1.2xlarge"] == ("refused", "no host has its accelerators", [])
    assert said["system"] == ("refused", "nothing is known of it but its name", [])
    elsewhere = rows(clary, "--region", "sa-east-1", "--family", "m5")
    assert {(row["here"], row["why"]) for row in elsewhere.values()} == {("refused", "no host stands in sa-east-1")}


def test_prices_are_those_of_the_region(clary: Clary) -> None:
    assert rows(clary)["ml.m5.xlarge"]["usd_hour"] == 0.23
    assert rows(clary)["ml.m4.xlarge"]["usd_hour"] is None
    assert rows(clary, "--region", "eu-west-1")["ml.m5.xlarge"]["usd_hour"] is None


def test_filters(clary: Clary) -> None:
    assert set(rows(clary, "--family", "ml.c5n")) == {name for name in types.every() if name.startswith("ml.c5n.")}
    gpus = rows(clary, "--gpu", "--usage", "transform", "--min-memory", "700")
    assert gpus
    for name, row in gpus.items():
        assert types.every()[name].gpus > 0
        assert "transform" in row["usages"]
        assert row["memory_gib"] >= 700


def test_plain_columns_and_wrong_words(clary: Clary) -> None:
    line = clary.command("instances", "--family", "t2", check=True).stdout.splitlines()[0]
    assert line.split("\t")[:4] == ["ml.t2.medium", "2", "4", ""]
    wrong = clary.command("instances", "--region", "atlantis-1")
    assert (wrong.returncode, wrong.stderr) == (1, "clary: atlantis-1 is not an AWS Region\n")


def test_a_wrong_fleet_file_stops_the_start(clary: Clary, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "fleet.toml").write_text(FLEET.replace('"eu-west-1"', '"eu-wst-1"'))
    broken = Clary(folder / "home", fleet=str(folder / "fleet.toml")).command("up")
    assert broken.returncode == 2
    assert "a setting is wrong: fleet file" in broken.stderr
    assert "host gpu: 'eu-wst-1' is not an AWS Region" in broken.stderr
