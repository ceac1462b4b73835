"""What our own errors have in common."""


class ExplainedError(Exception):
    """An error whose text is made for a person: one line that says what to do, every value in it masked.

    Logs show the text of these only; of any other error they show its type and where it was raised. `code` is stable:
    docs/error-codes.md lists every one.
    """

    code = "explained-error"
