"""What a command says when it cannot do what was asked, without a traceback.

CliFailure
├── NotStarted        no keys in this home yet
├── NotRunning        nothing listens
├── AlreadyRunning    another `clary up` holds the home
└── CannotStart       `clary up` gave up
"""


class CliFailure(Exception):
    """Its text is shown to the user as it is."""


class NotStarted(CliFailure):
    """This home has no keys yet: `clary up` was never run on it."""


class NotRunning(CliFailure):
    """No `clary up` serves this home."""


class AlreadyRunning(CliFailure):
    """Another `clary up` holds this home."""


class CannotStart(CliFailure):
    """`clary up` gave up; its text says why."""
