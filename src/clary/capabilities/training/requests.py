"""What the machine's user asks of a running job beside AWS's API: a file in the job's folder, then a poke.

`clary interrupt` writes it, the reconciler reads it. Whoever may write there owns the home: no other proof is needed.
"""

from pathlib import Path

INTERRUPT = "interrupt"


def is_interrupted(job: Path) -> bool:
    return (job / INTERRUPT).exists()


def interrupt(job: Path) -> None:
    """May be repeated; it is forgotten with the run."""
    (job / INTERRUPT).touch()
