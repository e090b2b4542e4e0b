"""What is told of an error that no rule expects: the log has its kind and place, and who asked has the request's id."""


class Unexpected(Exception):
    """An error that no rule expects, as the log has it: its kind and its place. Its own text may quote a client."""

    def __init__(self, error: BaseException) -> None:
        name = type(error).__name__
        super().__init__(f"{name}, caused by {type(error.__cause__).__name__}" if error.__cause__ else name)
        self.__traceback__ = error.__traceback__


def naming_request(detail: str, request_id: str) -> str:
    """The sentence with the id by which the log names the request: clients keep it, and quote it to the operator."""
    return f"{detail} (request {request_id})"
