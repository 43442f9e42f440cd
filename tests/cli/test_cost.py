"""Costs against sums made by hand: of charges, and of a job and an endpoint that a real Clary has."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.capabilities.training.journey import Journey
from tests.servers import Clary

from clary.cli.charges import Charge
from clary.cli.cost import grouped, job_row, total

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TYPE, PRICE = "ml.m5.xlarge", 0.23


def charge(name: str = "a", seconds: float = 3600, usd_hour: float | None = PRICE, count: int = 1) -> Charge:
    return Charge("training job", name, f"arn:{name}", TYPE, count, seconds, NOON, usd_hour)


def test_a_charge_is_seconds_times_instances_times_price() -> None:
    assert charge(seconds=90, count=3).usd == pytest.approx(90 / 3600 * 3 * 0.23)
    assert charge(usd_hour=None).usd is None
    assert job_row(charge(seconds=0, usd_hour=None))["usd"] is None


def test_a_charge_is_spread_over_the_days_it_touches() -> None:
    two_days = dict(charge(seconds=36 * 3600).days())
    assert two_days == {"2026-03-01": pytest.approx(24 / 36), "2026-03-02": pytest.approx(12 / 36)}
    assert list(charge(seconds=0).days()) == [("2026-03-02", 1.0)]


def test_groups_add_what_has_a_price_and_count_what_has_none() -> None:
    parts = [("x", charge("a"), 1.0), ("x", charge("b", usd_hour=None), 1.0), ("y", charge("b", usd_hour=None), 1.0)]
    assert grouped("tag", iter(parts)) == [
        {"tag": "x", "jobs_and_endpoints": 2, "instance_hours": 2.0, "usd": 0.23, "without_price": 1},
        {"tag": "y", "jobs_and_endpoints": 1, "instance_hours": 1.0, "usd": None, "without_price": 1},
    ]


def test_the_total_says_what_it_leaves_out() -> None:
    said = total([charge("a"), charge("b", usd_hour=None)], "us-east-1", "2026-09-27")
    assert said == "Total: $0.2300 (list prices of us-east-1 as of 2026-09-27); 1 more without a known price"
    assert total([], "eu-west-1", "") == "Total: $0.0000 (no list price of eu-west-1 is known)"


@pytest.fixture(scope="module")
def clary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clary]:
    """With two finished jobs: one of a type with a price and a tag, one of a type without."""
    with Clary(tmp_path_factory.mktemp("cost") / "home") as clary:
        journey = Journey(clary.start())
        for name, kind in (("priced", TYPE), ("unpriced", "ml.m4.xlarge")):
            config = {"InstanceType": kind, "InstanceCount": 2, "VolumeSizeInGB": 1}
            tags = [{"Key": "team", "Value": name}, {"Key": "both", "Value": "yes"}]
            journey.run(name, script="import time; time.sleep(1)", ResourceConfig=config, Tags=tags)
        yield clary


def asked(clary: Clary, *words: str) -> Any:
    return json.loads(clary.command("cost", "--json", *words, check=True).stdout)


def by_hand(clary: Clary, name: str) -> float:
    job = clary.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed"
    return float(job["BillableTimeInSeconds"] * job["ResourceConfig"]["InstanceCount"] / 3600 * PRICE)


def test_jobs_cost_what_a_hand_computes(clary: Clary) -> None:
    rows = {row["name"]: row for row in asked(clary)}
    assert set(rows) == {"priced", "unpriced"}
    assert rows["priced"]["usd"] == pytest.approx(by_hand(clary, "priced"), rel=0.01)
    assert (rows["priced"]["what"], rows["priced"]["count"], rows["priced"]["usd_hour"]) == ("training job", 2, PRICE)
    assert (rows["unpriced"]["usd_hour"], rows["unpriced"]["usd"]) == (None, None)


def test_by_tag_and_day(clary: Clary) -> None:
    expected = pytest.approx(by_hand(clary, "priced"), rel=0.01)
    tags = {
        row["tag"]: (row["usd"], row["jobs_and_endpoints"], row["without_price"]) for row in asked(clary, "--by", "tag")
    }
    assert tags == {"both=yes": (expected, 2, 1), "team=priced": (expected, 1, 0), "team=unpriced": (None, 1, 1)}
    days = asked(clary, "--by", "day")
    assert sum(row["usd"] or 0 for row in days) == expected


def test_csv_and_text_say_unknown(clary: Clary) -> None:
    rows = list(csv.DictReader(io.StringIO(clary.command("cost", "--csv", check=True).stdout)))
    assert {row["name"]: row["usd"] for row in rows}["unpriced"] == "unknown"
    shown = clary.command("cost", check=True)
    assert "unknown" in shown.stdout
    assert "(list prices of us-east-1 as of 2026-09-27); 1 more without a known price" in shown.stderr
    assert asked(clary, "--region", "eu-west-1") == []
    wrong = clary.command("cost", "--region", "atlantis-1")
    assert (wrong.returncode, wrong.stderr) == (1, "clary: atlantis-1 is not an AWS Region\n")
