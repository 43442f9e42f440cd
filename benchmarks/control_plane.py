"""Signed calls of SageMaker's API per second, one worker, beside moto's server; and lists of 1,000 and 100,000 jobs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import msgspec
from tests.servers import free_port

from benchmarks import peers
from benchmarks.load import drive
from benchmarks.processes import Server, api_only, running
from benchmarks.report import Section, ms
from benchmarks.signing import Signer
from clary.resources.records import Record, new_id
from clary.resources.store import DATABASE_FILE, Store

STORED = 10_000
CONNECTIONS = 8
ROUNDS = 5
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"


def measure(folder: Path, quick: bool) -> Section:
    stored = 300 if quick else STORED
    section = Section(
        "control_plane",
        "Control plane",
        f"signed CreateTrainingJob, Describe and List with {STORED:,} jobs stored, one worker, at least 5 times as "
        "many a second as `moto_server`; List of 100,000 jobs within 1.5 times of 1,000",
        ("call", "Clary, calls/s", "moto, calls/s", "ratio", "Clary p50 / p99, ms", "moto p50 / p99, ms"),
    )
    moto = peers.environment("moto")
    port = free_port()
    (folder / "api").mkdir()
    with (
        api_only(folder / "api" / "home") as (clary, keys),
        running("moto", [f"{moto}/bin/moto_server", "-p", str(port)], port, folder, "/moto-api/") as peer,
    ):
        sides = [(clary, keys), (peer, Signer(peer.url))]
        for server, signer in sides:
            _fill(server, signer, stored)
        for call in ("CreateTrainingJob", "DescribeTrainingJob", "ListTrainingJobs"):
            _compare(section, call, sides, stored, 1 if quick else ROUNDS)
    _lists(section, folder, quick)
    section.notes += [
        f"{CONNECTIONS} connections, requests signed beforehand, lists of 100 jobs, medians of {ROUNDS} rounds that "
        f"alternate between the two; {peers.version('moto')} keeps all in memory and checks no signature.",
        "Clary's creates are on disk (fsync) before they are answered.",
    ]
    return section


def _compare(section: Section, call: str, sides: Sequence[tuple[Server, Signer]], stored: int, rounds: int) -> None:
    rates: list[list[float]] = [[] for _ in sides]
    middles: list[list[float]] = [[] for _ in sides]
    tails: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        for side, (server, signer) in enumerate(sides):
            requests = _requests(call, signer, stored, f"round{number}")
            once = call == "CreateTrainingJob"
            result = drive(server.address, requests, CONNECTIONS, seconds=0 if once else 2)
            rates[side].append(result.rate)
            middles[side].append(result.quantile(0.5))
            tails[side].append(result.quantile(0.99))
    ours, theirs = (median(each) for each in rates)
    shown = [f"{ms(median(middles[side]))} / {ms(median(tails[side]))}" for side in range(2)]
    section.rows.append((call, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.1f}", *shown))
    section.verdict(ours >= 5 * theirs, f"{call} {ours / theirs:.1f} times moto (at least 5)")


def _requests(call: str, signer: Signer, stored: int, label: str) -> list[bytes]:
    if call == "CreateTrainingJob":
        return [signer.json(call, job(f"{label}-{number}")) for number in range(500)]
    if call == "DescribeTrainingJob":
        step = max(1, stored // 500)
        return [signer.json(call, {"TrainingJobName": f"job-{number}"}) for number in range(0, stored, step)]
    return [signer.json(call, {"MaxResults": 100})]


def job(name: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bench/train", "S3DataDistributionType": "FullyReplicated"}
    return {
        "TrainingJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {"objective": "binary:logistic", "num_round": "60", "max_depth": "4"},
        "InputDataConfig": [
            {"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://bench/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def _fill(server: Server, signer: Signer, stored: int) -> None:
    """Through the API, as anyone would."""
    s3 = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=signer.access_key,
        aws_secret_access_key=signer.secret,
        aws_session_token=signer.token or None,
    )
    s3.create_bucket(Bucket="bench")
    s3.put_object(Bucket="bench", Key="train/train.csv", Body=b"1,2,3\n")
    requests = [signer.json("CreateTrainingJob", job(f"job-{number}")) for number in range(stored)]
    result = drive(server.address, requests, CONNECTIONS)
    print(f"  {server.name}: {stored} jobs in {result.seconds:.1f} s", file=sys.stderr)


def _lists(section: Section, folder: Path, quick: bool) -> None:
    sizes = (100, 2000) if quick else (1_000, 100_000)
    for size in sizes:
        (folder / str(size)).mkdir()
    with (
        api_only(folder / str(sizes[0]) / "home") as few,
        api_only(folder / str(sizes[1]) / "home") as many,
    ):
        for size in sizes:
            insert(folder / str(size) / "home", size)
        rates: list[list[float]] = [[], []]
        tails: list[list[float]] = [[], []]
        for _ in range(1 if quick else ROUNDS):
            for side, (server, signer) in enumerate((few, many)):
                result = drive(server.address, _requests("ListTrainingJobs", signer, 0, ""), CONNECTIONS, seconds=2)
                rates[side].append(result.rate)
                tails[side].append(result.quantile(0.99))
    for size, rate, tail in zip(sizes, rates, tails, strict=True):
        figures = (f"{median(rate):,.0f}", "", "", f"p99 {ms(median(tail))}", "")
        section.rows.append((f"ListTrainingJobs of {size:,}", *figures))
    slower = median(rates[0]) / median(rates[1])
    section.verdict(slower <= 1.5, f"List of {sizes[1]:,} takes {slower:.2f} times that of {sizes[0]:,} (at most 1.5)")


def insert(home: Path, count: int) -> None:
    """Jobs straight into the store, in one transaction."""
    store = Store(f"sqlite:///{home / DATABASE_FILE}")
    text = msgspec.json.encode(job("name"))
    with store.write():
        for number in range(count):
            spec = msgspec.json.decode(text) | {"TrainingJobName": f"job-{number}"}
            when = 1_750_000_000.0 + number
            record = Record(
                id=new_id(),
                account="123456789012",
                region="us-east-1",
                kind="TrainingJob",
                name=f"job-{number}",
                arn=f"arn:aws:sagemaker:us-east-1:123456789012:training-job/job-{number}",
                status="Completed",
                spec=spec,
                state={"SecondaryStatus": "Completed"},
                created=when,
                modified=when,
            )
            store.insert(record)
    store.close()
