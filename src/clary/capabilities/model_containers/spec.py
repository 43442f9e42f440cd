"""What a model's spec says of its containers, and what these are called where they run."""

import hashlib
from typing import Any

PRIMARY = "primary"
"""What the only container of a model is called."""


def containers(model: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The container definitions of a model's spec, each with the name it goes by as its ContainerHostname."""
    if primary := model.get("PrimaryContainer"):
        return ({**primary, "ContainerHostname": PRIMARY},)
    found: list[dict[str, Any]] = model.get("Containers") or []
    alone = PRIMARY if len(found) == 1 else ""
    return tuple(
        {"ContainerHostname": alone or f"container-{number}", **definition}
        for number, definition in enumerate(found, 1)
    )


def is_multi_model(container: dict[str, Any]) -> bool:
    """Whether it loads models while it runs, from below its ModelDataUrl."""
    return container.get("Mode") == "MultiModel"


def is_direct(model: dict[str, Any]) -> bool:
    """Whether each call names the container that answers it; else it goes through all of them in order."""
    several = len(containers(model)) > 1
    return several and model.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"


def container_workload(instance: str, number: int) -> str:
    """The workload of an instance's container; the first container's names the instance."""
    return f"{instance}-c{number}" if number else instance


def instance_id(workload: str) -> str:
    """What the log stream of an instance is called, in the form of EC2's ids."""
    return "i-" + hashlib.sha256(workload.encode()).hexdigest()[:17]
