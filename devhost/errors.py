class DevhostError(Exception):
    """Something the developer can put right. The text is for them: one sentence that says what to do."""
