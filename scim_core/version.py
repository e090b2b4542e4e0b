"""The version, in one place: `/health`, the log, the package and the release use it."""

__version__ = "0.2.0"
