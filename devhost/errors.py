class DevhostError(Exception):
    """Something that the developer can correct. The text tells them what to do."""


class PortInUseError(DevhostError):
    """Another process listens on the port."""
