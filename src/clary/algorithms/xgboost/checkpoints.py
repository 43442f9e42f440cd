"""What happens between two boosting rounds: the log line, checkpoints, and leaving early when asked to stop."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import xgboost
from xgboost import collective

PREFIX = "xgboost-checkpoint"
KEPT = 5


def latest(folder: Path | None) -> tuple[Path | None, int]:
    """`(newest checkpoint, rounds already done)`."""
    if folder is None or not folder.is_dir():
        return None, 0
    numbers = [file.name.rpartition(".")[2] for file in folder.glob(f"{PREFIX}.*")]
    done = max((int(number) for number in numbers if number.isdigit()), default=None)
    return (None, 0) if done is None else (folder / f"{PREFIX}.{done}", done + 1)


class Rounds(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Logs each round in the form that metric definitions match, and writes a checkpoint after it.

    `#011` stands for the tab, as the platform's log shows it.
    """

    def __init__(self, first: int, folder: Path | None) -> None:
        self.first, self.folder = first, folder
        self.stopping = False

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        number = self.first + epoch
        scores = [
            f"{data}-{name}:{log[-1]:.5f}" for data, metrics in evals_log.items() for name, log in metrics.items()
        ]
        if collective.get_rank() == 0:
            print("#011".join([f"[{number}]", *scores]), flush=True)
            self._save(model, number)
        return self.stopping

    def _save(self, model: Any, number: int) -> None:
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        save(model, self.folder / f"{PREFIX}.{number}")
        (self.folder / f"{PREFIX}.{number - KEPT}").unlink(missing_ok=True)

    def stop_on_termination(self, keep_model: bool) -> None:
        """On SIGTERM finish the round and keep the model, or end at once."""

        def leave(number: int, frame: FrameType | None) -> None:
            if not keep_model:
                sys.exit(0)
            self.stopping = True

        signal.signal(signal.SIGTERM, leave)


def save(model: Any, file: Path) -> None:
    """Write a booster so that a reader sees the whole file or none."""
    partial = file.with_name(f".{file.name}.part")
    partial.write_bytes(model.save_raw("ubj"))
    partial.rename(file)
