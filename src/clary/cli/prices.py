"""List prices by the hour, asked of the Pricing API. `clary instances` and `clary cost` show them."""

import json
from typing import Any

from clary.cli.api import every
from clary.companions.pricing.products import COMPONENTS


class Prices:
    """The prices of one Region, got in one sweep at the first question."""

    def __init__(self, pricing: Any, region: str) -> None:
        self._pricing = pricing
        self._region = region
        self._known: dict[tuple[str, str], float] | None = None
        self.date = ""
        """As of when, once a price was asked for and there is any."""

    def of(self, instance_type: str, usage: str) -> float | None:
        """US dollars for an instance and hour; `None` where the list has none."""
        if self._known is None:
            self._known = self._read()
        return self._known.get((instance_type, COMPONENTS[usage][0])) if usage in COMPONENTS else None

    def _read(self) -> dict[tuple[str, str], float]:
        wanted = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": self._region}]
        listed = every(self._pricing, "get_products", "PriceList", ServiceCode="AmazonSageMaker", Filters=wanted)
        found = {}
        for product in map(json.loads, map(str, listed)):
            attributes = product["product"]["attributes"]
            (offer,) = product["terms"]["OnDemand"].values()
            (dimension,) = offer["priceDimensions"].values()
            found[attributes["instanceName"], attributes["component"]] = float(dimension["pricePerUnit"]["USD"])
            self.date = product["publicationDate"][:10]
        return found
