"""List prices by the hour, asked of the Pricing API. `clary instances` and `clary cost` show them."""

import json
from functools import cached_property
from typing import Any

from clary.cli.api import every
from clary.companions.pricing.products import COMPONENTS


class Prices:
    """The prices of one Region, got in one sweep at the first question."""

    def __init__(self, pricing: Any, region: str) -> None:
        self._pricing = pricing
        self._region = region

    def of(self, instance_type: str, usage: str) -> float | None:
        """US dollars for an instance and hour; `None` where the list has none."""
        known, _ = self._known
        return known.get((instance_type, COMPONENTS[usage][0])) if usage in COMPONENTS else None

    @property
    def date(self) -> str:
        """As of when; empty where the Region has no prices."""
        return self._known[1]

    @cached_property
    def _known(self) -> tuple[dict[tuple[str, str], float], str]:
        wanted = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": self._region}]
        listed = every(self._pricing, "get_products", "PriceList", ServiceCode="AmazonSageMaker", Filters=wanted)
        found, date = {}, ""
        for product in map(json.loads, map(str, listed)):
            attributes = product["product"]["attributes"]
            (offer,) = product["terms"]["OnDemand"].values()
            (dimension,) = offer["priceDimensions"].values()
            found[attributes["instanceName"], attributes["component"]] = float(dimension["pricePerUnit"]["USD"])
            date = product["publicationDate"][:10]
        return found, date
