"""What can go wrong that a user can mend.

    KatflowError
    ├── InputError      a file, row, flag or model that cannot be used as it is
    ├── ArtifactError   an artifact that is missing, damaged or in the way
    ├── TrainingError   a training run that must not go on
    ├── ProcessDied     a process of a task's own that was killed or failed for no reason of ours
    └── ServiceError    a server, worker or database that does not start or answer

Each message says what was met, why it matters and what to do.
"""


class KatflowError(Exception):
    """Base of all errors that end a run with one message and no traceback."""


class InputError(KatflowError):
    """A file, row, flag or model cannot be used as it is."""


class ArtifactError(KatflowError):
    """An artifact is missing, damaged or in the way."""


class TrainingError(KatflowError):
    """A training run must not start or go on."""


class ProcessDied(KatflowError):
    """A process of a task's own was killed, was out of memory, or failed for no reason of ours: worth another try."""


class ServiceError(KatflowError):
    """A server, a worker or a database does not start or answer."""


def first_line(error: Exception) -> str:
    """Of what a library says, or its kind."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
