"""What is it when it is no index?"""


class BadIndexError(Exception):
    """This is no index that apk would take; ``str()`` is the reason."""
