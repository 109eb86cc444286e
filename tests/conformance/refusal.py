"""The input of a case was refused."""


class Refused(Exception):
    """The input was refused; the text is the message.

    :param partial: what was written before the refusal, by path.
    """

    def __init__(self, message: str, partial: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.partial = partial or {}
