class DevhostError(Exception):
    """Something the developer can put right. The text is for them: one sentence that says what to do."""


class PortInUseError(DevhostError):
    """Another process listens on the port."""
