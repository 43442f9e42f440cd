"""Writes src/clary/catalogue/types.json, the catalogue of `ml.*` instance types, from public facts. Run by hand.

    python tools/instance_catalogue.py MOTO OLD_MOTO GPU_INFO

MOTO and OLD_MOTO are unpacked wheels of moto (Apache-2.0): a current one, whose dump of EC2's own answers gives figures
and offerings, and 4.2.14, which still knows the types that EC2 has withdrawn since. GPU_INFO is the SageMaker SDK's
`image_uri_config/instance_gpu_info.json`; it must agree where it says something. The names, and what each may be used
for, are botocore's enums; the prices are `instance_prices.csv`. A fact that none of these has is left out.
"""

import csv
import gzip
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import botocore

DATA = Path(botocore.__file__).parent / "data"
PRICES = Path(__file__).with_name("instance_prices.csv")
TARGET = Path(__file__).parent.parent / "src/clary/catalogue/types.json"
USAGES = {
    "notebook": "InstanceType",
    "training": "TrainingInstanceType",
    "processing": "ProcessingInstanceType",
    "hosting": "ProductionVariantInstanceType",
    "transform": "TransformInstanceType",
    "app": "AppInstanceType",
    "cluster": "ClusterInstanceType",
}
PRICED = ("notebook", "training", "processing", "hosting", "app")
"""The usages that the source of the prices speaks of."""
TRAINIUM2_MIB = 96 * 1024
"""AWS's EC2 dump says 512 GiB a device; AWS's own pages 1.5 TiB for the sixteen of trn2.48xlarge."""


def main(moto: Path, old: Path, gpu_info: Path) -> None:
    usages = _usages()
    now, before = _figures(moto), _figures(old)
    zones, where = _offerings(moto)
    prices = _prices()
    types = {
        name: _entry(name, used, now, before, where, prices) for name, used in sorted(usages.items(), key=_by_family)
    }
    _compare(types, json.loads(gpu_info.read_text()))
    document = {
        "sources": {
            "usages": f"botocore {version('botocore')}, sagemaker 2017-07-24",
            "figures": f"EC2 DescribeInstanceTypes as kept by {_moto(moto)}, withdrawn types by {_moto(old)}",
            "offerings": f"EC2 DescribeInstanceTypeOfferings as kept by {_moto(moto)}",
            "prices": "AWS Price List, AmazonSageMaker offer file, as tabulated in a public notebook toolkit "
            "(sagemaker_env.py), rounded to three or four digits",
        },
        "prices": {"region": "us-east-1", "date": "2026-09-27", "usages": PRICED},
        "regions": _regions(),
        "zones": zones,
        "types": types,
    }
    lines = [f"{json.dumps(key)}: {_pretty(value)}" for key, value in document.items()]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(types)} types, {sum('usd' in one for one in types.values())} with a price, {TARGET.stat().st_size} B")


def _usages() -> dict[str, list[str]]:
    model = json.loads(gzip.decompress((DATA / "sagemaker/2017-07-24/service-2.json.gz").read_bytes()))
    found: dict[str, list[str]] = {}
    for usage, shape in USAGES.items():
        for name in model["shapes"][shape]["enum"]:
            found.setdefault(name, []).append(usage)
    return found


def _figures(moto: Path) -> dict[str, Any]:
    file = moto / "moto/ec2/resources/instance_types.json"
    return json.loads(_read(file))


def _offerings(moto: Path) -> tuple[list[str], dict[str, str]]:
    """Zones in order, as `<id> <region>`, and for each type a bit for each of them, the first the lowest, in hex."""
    zones: dict[str, str] = {}
    where: dict[str, set[str]] = {}
    for file in sorted((moto / "moto/ec2/resources/instance_type_offerings/availability-zone-id").iterdir()):
        region = file.name.partition(".")[0]
        for offer in json.loads(_read(file.with_name(f"{region}.json"))):
            zones[offer["Location"]] = region
            where.setdefault(offer["InstanceType"], set()).add(offer["Location"])
    order = sorted(zones, key=lambda zone: (zones[zone], zone))
    bits = {zone: 1 << number for number, zone in enumerate(order)}
    masks = {name: f"{sum(bits[zone] for zone in found):x}" for name, found in where.items()}
    return [f"{zone} {zones[zone]}" for zone in order], masks


def _read(file: Path) -> bytes:
    packed = file.with_name(f"{file.name}.gz")
    return gzip.decompress(packed.read_bytes()) if packed.exists() else file.read_bytes()


def _prices() -> dict[str, float]:
    lines = [line for line in PRICES.read_text().splitlines() if not line.startswith("#")]
    return {row["type"]: float(row["usd"]) for row in csv.DictReader(lines)}


def _entry(
    name: str,
    used: list[str],
    now: dict[str, Any],
    before: dict[str, Any],
    where: dict[str, str],
    prices: dict[str, float],
) -> dict[str, Any]:
    bare = name.removeprefix("ml.")
    known = now.get(bare) or before.get(bare)
    entry: dict[str, Any] = {"uses": used}
    if known:
        entry |= _known(known, bare in now)
    if bare in where:
        entry["zones"] = where[bare]
    if name in prices and set(used) & set(PRICED):
        entry["usd"] = prices[name]
    return entry


def _known(known: dict[str, Any], offered: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "cpus": known["VCpuInfo"]["DefaultVCpus"],
        "mib": known["MemoryInfo"]["SizeInMiB"],
        "arch": known["ProcessorInfo"]["SupportedArchitectures"][-1],
        "net": known["NetworkInfo"]["NetworkPerformance"],
    }
    ebs = known["EbsInfo"].get("EbsOptimizedInfo")
    if ebs:
        entry["ebs"] = [ebs["BaselineBandwidthInMbps"], ebs["MaximumBandwidthInMbps"]]
    if "InstanceStorageInfo" in known:
        disks = known["InstanceStorageInfo"]["Disks"]
        entry["disk"] = [disks[0]["Count"], disks[0]["SizeInGB"]]
    if accelerators := _accelerators(known):
        entry["acc"] = accelerators
    if known["CurrentGeneration"] and offered:
        entry["current"] = True
    return entry


def _accelerators(known: dict[str, Any]) -> list[Any]:
    """Kind, maker, model, count, MiB of each, and for Neuron devices cores of each."""
    if "NeuronInfo" in known:
        device = known["NeuronInfo"]["NeuronDevices"][0]
        mib = TRAINIUM2_MIB if device["Name"] == "Trainium2" else device["MemoryInfo"]["SizeInMiB"]
        return ["neuron", "AWS", device["Name"], device["Count"], mib, device["CoreInfo"]["Count"]]
    if "GpuInfo" not in known:
        return []
    device = known["GpuInfo"]["Gpus"][0]
    kind = "gpu" if device["Manufacturer"] == "NVIDIA" else "gaudi"
    return [kind, device["Manufacturer"], device["Name"], device["Count"], device["MemoryInfo"]["SizeInMiB"]]


def _regions() -> dict[str, str]:
    partitions = json.loads((DATA / "endpoints.json").read_text())["partitions"]
    kept = (one for one in partitions if one["partition"] in ("aws", "aws-cn", "aws-us-gov"))
    return {name: region["description"] for one in kept for name, region in sorted(one["regions"].items())}


def _compare(types: dict[str, Any], told: dict[str, Any]) -> None:
    """The SDK's counts must be ours; its memory is nominal (24 GB for 22.35 GiB) and off by less than a tenth."""
    for name, gpus in ((name, gpus) for region in told.values() for name, gpus in region.items() if name in types):
        _, _, _, count, mib, *_ = types[name]["acc"]
        near = abs(count * mib / gpus["TotalGpuMemoryInMiB"] - 1) < 0.1
        if count != gpus["Count"] or not near:
            raise SystemExit(f"{name}: {count} x {mib} MiB here, {gpus} in the SDK")


def _by_family(named: tuple[str, list[str]]) -> tuple[str, int, str]:
    name = named[0]
    family, _, size = name.removeprefix("ml.").partition(".")
    number = {"medium": "-1", "large": "0"}.get(size, size.removesuffix("xlarge") or "1")
    return family, int(number) if number.lstrip("-").isdecimal() else 0, size


def _moto(wheel: Path) -> str:
    found = next(wheel.glob("moto-*.dist-info/METADATA"))
    return "moto " + next(line for line in found.read_text().splitlines() if line.startswith("Version:"))[9:]


def _pretty(value: Any) -> str:
    """One line for each entry of a table, so that changes can be read."""
    if not isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    rows = (f" {json.dumps(key)}: {json.dumps(one, separators=(',', ':'))}" for key, one in value.items())
    return "{\n" + ",\n".join(rows) + "\n}"


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
