"""Models: an image, an artefact and a role under one name."""

from clary.capabilities.models.kind import MODEL
from clary.resources.capability import Capability

MODELS = Capability("models", kinds=(MODEL,))
