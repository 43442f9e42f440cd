"""Image URIs: whose image it is, what it means, and which managed runtime stands in for it."""

from clary.runtime.images.recognise import (
    Address,
    Image,
    NotManaged,
    UnknownImage,
    address,
    environment_of,
    recognise,
    registries,
)

__all__ = [
    "Address",
    "Image",
    "NotManaged",
    "UnknownImage",
    "address",
    "environment_of",
    "recognise",
    "registries",
]
