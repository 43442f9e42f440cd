"""Image URIs: whose image it is, what it means, and which managed runtime stands in for it."""

from clary.runtime.images.recognise import Image, NotManaged, UnknownImage, environment_of, recognise, registries

__all__ = ["Image", "NotManaged", "UnknownImage", "environment_of", "recognise", "registries"]
