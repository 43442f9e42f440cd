"""EC2's answers about the fleet of `conftest.py`, as boto3's client sees them."""

from typing import Any

import pytest
from tests.companions.refusals import refused
from tests.companions.tenants import Tenant

from clary.catalogue import types


@pytest.fixture
def ec2(tenant: Tenant) -> Any:
    return tenant.client("ec2")


def offers(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["InstanceType"], one["Location"]) for one in found["InstanceTypeOfferings"]]


def test_regions_of_the_fleet_are_opted_in(ec2: Any) -> None:
    assert ec2.describe_regions()["Regions"] == [
        {"RegionName": name, "Endpoint": f"ec2.{name}.amazonaws.com", "OptInStatus": "opted-in"}
        for name in ("eu-west-1", "us-east-1")
    ]
    everywhere = ec2.describe_regions(AllRegions=True)["Regions"]
    assert {one["RegionName"] for one in everywhere} == set(types.regions())
    named = ec2.describe_regions(RegionNames=["sa-east-1"])["Regions"]
    assert [(one["RegionName"], one["OptInStatus"]) for one in named] == [("sa-east-1", "not-opted-in")]
    with refused("InvalidParameterValue", "[atlantis-1]"):
        ec2.describe_regions(RegionNames=["us-east-1", "atlantis-1"])


def test_zones_are_where_hosts_are(ec2: Any, tenant: Tenant) -> None:
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert zones[0] == {
        "ZoneName": "us-east-1a",
        "ZoneId": "use1-az1",
        "RegionName": "us-east-1",
        "State": "available",
        "OptInStatus": "opt-in-not-required",
        "ZoneType": "availability-zone",
        "GroupName": "us-east-1-zg-1",
        "NetworkBorderGroup": "us-east-1",
        "Messages": [{"Message": "host cpu"}],
    }
    assert [one["ZoneName"] for one in zones] == ["us-east-1a", "us-east-1c"]
    gpu = ec2.describe_availability_zones(Filters=[{"Name": "message", "Values": ["host g*"]}])["AvailabilityZones"]
    assert [one["ZoneId"] for one in gpu] == ["use1-az3"]
    by_id = ec2.describe_availability_zones(ZoneIds=["use1-az1"])["AvailabilityZones"]
    assert [one["ZoneName"] for one in by_id] == ["us-east-1a"]
    with refused("InvalidParameterValue", "[us-east-1b]"):
        ec2.describe_availability_zones(ZoneNames=["us-east-1b"])
    assert tenant.client("ec2", region="sa-east-1").describe_availability_zones()["AvailabilityZones"] == []


def test_a_type_as_ec2_describes_it(ec2: Any) -> None:
    [found] = ec2.describe_instance_types(InstanceTypes=["g5.xlarge"])["InstanceTypes"]
    assert found == {
        "InstanceType": "g5.xlarge",
        "CurrentGeneration": False,
        "SupportedUsageClasses": ["on-demand", "spot"],
        "BareMetal": False,
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "VCpuInfo": {"DefaultVCpus": 4},
        "MemoryInfo": {"SizeInMiB": 16384},
        "InstanceStorageSupported": True,
        "InstanceStorageInfo": {"TotalSizeInGB": 250, "Disks": [{"SizeInGB": 250, "Count": 1, "Type": "ssd"}]},
        "EbsInfo": {"EbsOptimizedInfo": {"BaselineBandwidthInMbps": 700, "MaximumBandwidthInMbps": 3500}},
        "NetworkInfo": {"NetworkPerformance": "Up to 10 Gigabit"},
        "GpuInfo": {
            "Gpus": [{"Name": "A10G", "Manufacturer": "NVIDIA", "Count": 1, "MemoryInfo": {"SizeInMiB": 22888}}],
            "TotalGpuMemoryInMiB": 22888,
        },
        "BurstablePerformanceSupported": False,
        "SupportedInRegion": True,
    }
    [neuron] = ec2.describe_instance_types(InstanceTypes=["inf2.24xlarge"], IncludeUnsupportedInRegion=True)[
        "InstanceTypes"
    ]
    assert neuron["SupportedInRegion"] is False
    assert neuron["NeuronInfo"]["TotalNeuronDeviceMemoryInMiB"] == 6 * 32768
    assert neuron["InferenceAcceleratorInfo"]["Accelerators"][0]["Name"] == "Inferentia2"


def test_types_that_are_not_carried_do_not_exist_here(ec2: Any) -> None:
    with refused("InvalidInstanceType", "do not exist: [p5.48xlarge]"):
        ec2.describe_instance_types(InstanceTypes=["m5.xlarge", "p5.48xlarge"])
    with refused("InvalidParameterValue", "ml.m5.xlarge"):
        ec2.describe_instance_types(InstanceTypes=["ml.m5.xlarge"])
    every = ec2.get_paginator("describe_instance_types").paginate(IncludeUnsupportedInRegion=True)
    names = [one["InstanceType"] for page in every for one in page["InstanceTypes"]]
    assert names == sorted(one.bare for one in types.every().values() if one.cpus)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"instance-type": ["c5.*", "g5.?xlarge"]}, ["c5.xlarge", "g5.2xlarge", "g5.4xlarge", "g5.8xlarge"]),
        ({"vcpu-info.default-vcpus": ["96"]}, ["m5.24xlarge"]),
        ({"memory-info.size-in-mib": ["8192"], "instance-type": ["m*"]}, ["m5.large"]),
        ({"instance-storage-info.disk.size-in-gb": ["450"]}, ["g5.2xlarge"]),
        ({"processor-info.supported-architecture": ["arm64"]}, []),
        ({"instance-storage-supported": ["false"], "vcpu-info.default-vcpus": ["4"]}, ["c5.xlarge", "m5.xlarge"]),
        ({"instance-type": ["*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"]}, []),
        ({"instance-type": ["m5.[lx]arge"]}, []),
    ],
)
def test_filters(ec2: Any, filters: dict[str, list[str]], expected: list[str]) -> None:
    given = [{"Name": name, "Values": values} for name, values in filters.items()]
    found = ec2.describe_instance_types(Filters=given)["InstanceTypes"]
    assert [one["InstanceType"] for one in found] == expected


def test_offerings_by_region_zone_and_zone_id(ec2: Any, tenant: Tenant) -> None:
    c5 = [{"Name": "instance-type", "Values": ["c5.xlarge", "m5.large"]}]
    ask = ec2.describe_instance_type_offerings
    assert offers(ask(Filters=c5)) == [("c5.xlarge", "us-east-1"), ("m5.large", "us-east-1")]
    assert offers(ask(Filters=c5, LocationType="availability-zone")) == [
        ("c5.xlarge", "us-east-1a"),
        ("c5.xlarge", "us-east-1c"),
        ("m5.large", "us-east-1a"),
    ]
    by_id = [{"Name": "location", "Values": ["use1-az3"]}, c5[0]]
    assert offers(ask(Filters=by_id, LocationType="availability-zone-id")) == [("c5.xlarge", "use1-az3")]
    assert offers(ask(LocationType="outpost")) == []
    far = tenant.client("ec2", region="eu-west-1")
    assert offers(far.describe_instance_type_offerings()) == [("t2.medium", "eu-west-1")]


def test_offerings_come_in_pages(ec2: Any) -> None:
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(PaginationConfig={"PageSize": 5})
    sizes = [len(page["InstanceTypeOfferings"]) for page in pages]
    assert set(sizes[:-1]) == {5}
    assert sum(sizes) == len(ec2.describe_instance_type_offerings()["InstanceTypeOfferings"]) == 14
    token = ec2.describe_instance_type_offerings(MaxResults=5)["NextToken"]
    with refused("InvalidParameterValue", "NextToken"):
        ec2.describe_instance_types(NextToken=token)
    with refused("InvalidParameterCombination"):
        ec2.describe_instance_types(InstanceTypes=["m5.large"], MaxResults=5)


def test_wrong_filters_dry_runs_and_what_is_not_built(ec2: Any) -> None:
    for name in ("colour", "vcpu-info.default-vcpus.x", ""):
        with refused("InvalidParameterValue", f"The filter '{name}' is invalid"):
            ec2.describe_instance_types(Filters=[{"Name": name, "Values": ["x"]}])
    with refused("DryRunOperation", "DryRun flag is set", status=412):
        ec2.describe_regions(DryRun=True)
    with refused("NotImplemented", "RunInstances", status=501):
        ec2.run_instances(MinCount=1, MaxCount=1)
