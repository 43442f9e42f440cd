"""The products of AmazonSageMaker: one for each priced type and component, with AWS's attributes and terms.

SKUs are ours, in AWS's form; codes of terms and rates are AWS's for on-demand prices by the hour. The effective date is
the day on which the price was read, as its source does not say since when it holds.
"""

import base64
import hashlib
from typing import Any

from clary.catalogue import types
from clary.catalogue.types import InstanceType, Price

SERVICE = "AmazonSageMaker"
ON_DEMAND, HOURLY = "JRTCKXETXF", "6YS6EN2CT7"
COMPONENTS = {
    "notebook": ("Notebook", "Notebk", "Notebook"),
    "training": ("Training", "Train", "Training"),
    "processing": ("Processing", "Processing", "Processing"),
    "hosting": ("Hosting", "Host", "Hosting"),
    "transform": ("Batch Transform", "Tsform", "BatchTransform"),
    "app": ("Studio-JupyterLab", "Studio-JupyterLab", "Studio-JupyterLab"),
}
"""The catalogue's usage to AWS's component, the word in its usage type, and its `platoinstancetype`."""
LETTERS = {"us-east-1": "USE1"}
"""Prefix of usage types, of the Regions that have prices."""


def every() -> list[dict[str, Any]]:
    """All products that have a price, in the order of the catalogue. Made anew each time: few ask, and not often."""
    return [
        product(one, usage, region, known)
        for one in types.every().values()
        for usage in COMPONENTS
        for region in LETTERS
        if (known := types.price(one, usage, region))
    ]


def product(one: InstanceType, usage: str, region: str, known: Price) -> dict[str, Any]:
    """An item of GetProducts' PriceList."""
    component, word, plato = COMPONENTS[usage]
    sku = _sku(f"{region} {component} {one.name}")
    place = types.regions()[region]
    attributes = {
        "servicecode": SERVICE,
        "servicename": "Amazon SageMaker",
        "instanceName": one.name,
        "instanceType": f"{one.name}-{component}",
        "component": component,
        "platoinstancename": one.name,
        "platoinstancetype": plato,
        **_figures(one),
        "location": place,
        "locationType": "AWS Region",
        "regionCode": region,
        "usagetype": f"{LETTERS[region]}-{word}:{one.name}",
        "operation": "RunInstance",
    }
    day = f"{known.date}T00:00:00Z"
    offer = {
        "sku": sku,
        "effectiveDate": day,
        "offerTermCode": ON_DEMAND,
        "termAttributes": {},
        "priceDimensions": {
            f"{sku}.{ON_DEMAND}.{HOURLY}": {
                "rateCode": f"{sku}.{ON_DEMAND}.{HOURLY}",
                "description": f"${known.usd:g} per {component} {one.name} hour in {place}",
                "unit": "Hrs",
                "beginRange": "0",
                "endRange": "Inf",
                "appliesTo": [],
                "pricePerUnit": {"USD": f"{known.usd:.10f}"},
            }
        },
    }
    return {
        "product": {"productFamily": "ML Instance", "sku": sku, "attributes": attributes},
        "serviceCode": SERVICE,
        "terms": {"OnDemand": {f"{sku}.{ON_DEMAND}": offer}},
        "version": known.date.replace("-", ""),
        "publicationDate": day,
    }


def _figures(one: InstanceType) -> dict[str, str]:
    gpu = one.acc if one.acc and one.acc.kind == "gpu" else None
    return {
        "vCpu": str(one.cpus),
        "memory": f"{(one.mib or 0) / 1024:g} GiB",
        "gpu": str(gpu.count) if gpu else "N/A",
        "physicalGpu": gpu.model if gpu else "N/A",
        "gpuMemory": f"{gpu.mib / 1024:.3g}" if gpu else "N/A",
        "networkPerformance": one.net,
        "currentGeneration": "Yes" if one.current else "No",
    }


def _sku(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest())[:16].decode()
