"""Why a model cannot be compiled, said to whoever submitted it."""


class Unsuitable(Exception):
    """The model, or what was said of it, cannot be compiled. The message follows AWS's `InputConfiguration: `."""


class Disagreement(Exception):
    """Every candidate answered differently from the original."""
