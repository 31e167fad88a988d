"""What is it when it is not what it should be?"""

from mirrorctl.core.model import Cause


class BadFileError(Exception):
    """This is no index, or no package, that apk would take; ``str()`` is the reason."""

    def __init__(self, reason: str, cause: Cause = Cause.OTHER) -> None:
        super().__init__(reason)
        self.cause = cause
