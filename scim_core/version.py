"""The version, in one place: `/health`, the log, the package and the release say this one."""

__version__ = "0.2.0"
