"""What an official rule raises where it cannot be applied, so that nothing else is taken in its place."""


class CannotScoreError(ValueError):
    """The rule gives no verdict on the row; the message says what it needs."""
