"""Keeping out of a model server the optional libraries that the one it serves with would pull in."""

import sys

_hidden: set[str] = set()
_shown = False


def hide(*packages: str) -> None:
    """From now on importing any of `packages` raises `ImportError`, unless it is imported already.

    xgboost imports pandas and scikit-learn where it finds them, at its own import and again at the first prediction:
    three quarters of the time that a model server takes to start, and two thirds of its memory (measured with 3.0.5).
    """
    if not _shown:
        _hidden.update(name for name in packages if name not in sys.modules)
        sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]


def show() -> None:
    """What was hidden may be imported again, by a user's script say; nothing is hidden from now on."""
    global _shown
    _shown = True
    for name in _hidden:
        if sys.modules.get(name, sys) is None:
            del sys.modules[name]
