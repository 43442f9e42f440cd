"""What an `ml.*` instance type offers, and what of it this machine gives to a job."""

from clary.capabilities.instances.fitting import Fit, Machine, NoCapacity, fit, short_of
from clary.capabilities.instances.here import fleet
from clary.capabilities.instances.placing import Placing, check_isolation, machine, place
from clary.capabilities.instances.table import Figures, figures

__all__ = [
    "Figures",
    "Fit",
    "Machine",
    "NoCapacity",
    "Placing",
    "check_isolation",
    "figures",
    "fit",
    "fleet",
    "machine",
    "place",
    "short_of",
]
