"""Which SavedModels a folder holds: `<name>/<version>/saved_model.pb`, at any depth, as TensorFlow Serving wants."""

from pathlib import Path

FILE = "saved_model.pb"


def find(folder: Path) -> dict[str, dict[int, Path]]:
    """Model name to version to folder. Names are those of the folders above the versions.

    Raises `ValueError` where there is none.
    """
    found: dict[str, dict[int, Path]] = {}
    for file in sorted(folder.rglob(FILE)):
        if file.parent.name.isdigit():
            found.setdefault(file.parent.parent.name, {})[int(file.parent.name)] = file.parent
    if not found:
        raise ValueError(
            "no SavedModel bundles found! A model lies in a folder that is its version's number, as in "
            "my_model/1/saved_model.pb."
        )
    return found
