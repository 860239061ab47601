"""The API called as the bot does: with the key, in bounded time, past any proxy."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

ANSWER_SECONDS = 30.0
CONNECTIONS = 32


class Client:
    """A client of the API at `url`, such as http://127.0.0.1:8000/api; threads may share it."""

    def __init__(self, url: str, api_key: str) -> None:
        self._root = f"{url}/"
        self.url = f"{url}/v1"
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy for loopback, no .netrc
        self.session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        self._api_key = api_key

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self.session.close()

    def send(
        self, method: str, target: str, *, key: str | None = None, **options: Any
    ) -> requests.Response:
        """One request, whatever its answer; requests.RequestException when there is none.

        target: a path below /v1, or a whole URL: that of another page, or a signed link or form,
        which needs no key and gets none. key: the Idempotency-Key.
        """
        url = target if target.startswith("http") else self.url + target
        headers = dict(options.pop("headers", {}))
        if url.startswith(self._root) and "/v1/" in url:
            headers["X-API-Key"] = self._api_key
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.session.request(method, url, headers=headers, timeout=ANSWER_SECONDS, **options)


def is_ready(url: str) -> bool:
    """Whether the server at `url` takes requests now."""
    with Client(url, api_key="") as client:
        try:
            return client.send("GET", "/health/ready").ok
        except requests.RequestException:
            return False
