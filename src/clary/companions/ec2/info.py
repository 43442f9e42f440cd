"""A type of the catalogue as EC2's `InstanceTypeInfo`: as far as the catalogue knows it."""

from typing import Any

from clary.catalogue.types import Accelerators, InstanceType


def info(one: InstanceType, carried: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "InstanceType": one.bare,
        "CurrentGeneration": one.current,
        "SupportedUsageClasses": ["on-demand", "spot"],
        "BareMetal": False,
        "ProcessorInfo": {"SupportedArchitectures": [one.arch]},
        "VCpuInfo": {"DefaultVCpus": one.cpus},
        "MemoryInfo": {"SizeInMiB": one.mib},
        "InstanceStorageSupported": one.disk is not None,
        "NetworkInfo": {"NetworkPerformance": one.net},
        "BurstablePerformanceSupported": one.family.startswith("t"),
        "SupportedInRegion": carried,
    }
    if one.disk:
        count, size = one.disk
        disks = [{"Count": count, "SizeInGB": size, "Type": "ssd"}]
        shown["InstanceStorageInfo"] = {"TotalSizeInGB": count * size, "Disks": disks}
    if one.ebs:
        baseline, most = one.ebs
        figures = {"BaselineBandwidthInMbps": baseline, "MaximumBandwidthInMbps": most}
        shown["EbsInfo"] = {"EbsOptimizedInfo": figures}
    return shown | (_accelerators(one.acc, one.family) if one.acc else {})


def _accelerators(acc: Accelerators, family: str) -> dict[str, Any]:
    """Inferentia is shown in two members, as EC2 does."""
    device = {"Count": acc.count, "Name": acc.model, "MemoryInfo": {"SizeInMiB": acc.mib}}
    total = acc.count * acc.mib
    if acc.kind != "neuron":
        return {"GpuInfo": {"Gpus": [device | {"Manufacturer": acc.maker}], "TotalGpuMemoryInMiB": total}}
    devices = [device | {"CoreInfo": {"Count": acc.cores}}]
    shown: dict[str, Any] = {"NeuronInfo": {"NeuronDevices": devices, "TotalNeuronDeviceMemoryInMiB": total}}
    if family.startswith("inf"):
        accelerators = [device | {"Manufacturer": acc.maker}]
        shown["InferenceAcceleratorInfo"] = {"Accelerators": accelerators, "TotalInferenceMemoryInMiB": total}
    return shown
