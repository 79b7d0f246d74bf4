"""Viewers that ask for one object all the time, while something changes under them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import httpx


class AskingViewers:
    """Viewers, one for each URL, that ask all the time; what each was told: the status, and whether
    security headers came."""

    def __init__(self, urls: Sequence[str], host: str) -> None:
        self.told: list[tuple[int, bool]] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url, host)) for url in urls]

    def count(self, *, new: bool) -> int:
        return self.told.count((200, new))

    def _ask(self, url: str, host: str) -> None:
        with httpx.Client(headers={"host": host}) as viewer:
            while not self._over.is_set():
                answer = viewer.get(url)
                self.told.append((answer.status_code, "x-content-type-options" in answer.headers))

    def __enter__(self) -> AskingViewers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
