"""What can stop a whole run.

A failure of one mirror is a value (``model.Failure``), never one of these. Each of these ends the program in one line
(two at most) that says what is wrong and what to do next; the class decides the exit status (see ``cli``).
"""


class MirrorctlError(Exception):
    """Base of all errors that end a run; ``str()`` is the message for the person."""


class UsageError(MirrorctlError):
    """An argument, or the system it is used on, does not make sense (exit status 2)."""


class NoUsableMirrorError(MirrorctlError):
    """No candidate proved that it can do the work; nothing was written (exit status 3)."""


class CatalogError(MirrorctlError):
    """A catalog or configuration file is wrong: names file, key, and what was expected (exit status 4)."""


class RepositoriesError(MirrorctlError):
    """A repositories file cannot be read, edited or written; it is as it was (exit status 5)."""


class StoppedError(MirrorctlError):
    """A signal came while files were changed; tells what became of them. The program then ends as by that signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class CommandError(MirrorctlError):
    """The command of ``mirrorctl run`` cannot be run; ``status`` is the exit status that env(1) gives for it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
