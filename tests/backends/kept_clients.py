"""SDK clients that several tests share."""

KEY = "key-0123456789-do-not-tell"


class Kept:
    """A client that outlives the adapters of single tests."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        return getattr(self._client, name)

    def close(self):
        """Leave it open for the next test."""
