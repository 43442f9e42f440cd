"""Room that stays taken when its workload has ended: a warm pool's. A file each, below `<home>/retained`.

`LocalBackend` writes and counts them; they are as durable as the workloads' folders.
"""

from pathlib import Path

import msgspec


class Kept(msgspec.Struct, frozen=True):
    instances: int
    gpus: list[int]


_read_kept = msgspec.json.Decoder(Kept).decode


class Retained:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, workload_id: str, kept: Kept) -> None:
        """May be repeated: what was kept first counts."""
        file = self._folder / workload_id
        if file.exists():
            return
        self._folder.mkdir(exist_ok=True)
        fresh = self._folder / f".{workload_id}"
        fresh.write_bytes(msgspec.json.encode(kept))
        fresh.replace(file)

    def release(self, workload_id: str) -> None:
        (self._folder / workload_id).unlink(missing_ok=True)

    def all(self) -> dict[str, Kept]:
        """By the workload's id."""
        found = {}
        for file in self._folder.glob("[!.]*"):
            try:
                found[file.name] = _read_kept(file.read_bytes())
            except (FileNotFoundError, msgspec.DecodeError):
                # Given back meanwhile, or emptied by a power cut.
                continue
        return found
