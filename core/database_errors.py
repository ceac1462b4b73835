"""What a database error is, without the text of PostgreSQL: that may quote values."""


def sqlstate_of(error: BaseException) -> str:
    """Return the five characters by which PostgreSQL names an error, or "" where it named none.

    Source: https://www.postgresql.org/docs/16/errcodes-appendix.html.
    """
    return getattr(error.__cause__, "sqlstate", None) or getattr(error, "sqlstate", None) or ""


def kind_of(error: BaseException) -> str:
    """Return what a message may say of an error: the driver's class and the SQLSTATE."""
    state = sqlstate_of(error)
    return f"{type(error.__cause__ or error).__name__}{f', SQLSTATE {state}' if state else ''}"
