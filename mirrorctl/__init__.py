"""mirrorctl puts Alpine Linux's apk on the fastest mirror that has proven it can do the work."""

__version__ = "0.1.0"
