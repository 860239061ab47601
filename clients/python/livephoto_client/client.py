"""The two clients: how calls are sent, and what takes more than one of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from livephoto_client.calls import Call, Patience
from livephoto_client.generated.async_operations import AsyncOperations
from livephoto_client.generated.models import Data, DataType, Event
from livephoto_client.generated.operations import Operations
from livephoto_client.uploads import OpenFile, Source, opened

T = TypeVar("T")

TIMEOUT = 30.0  # seconds: subscriptions and reviews ask Telegram, which is slow
FILE_TIMEOUT = 120.0
LONGEST_WAIT = 25  # seconds that the backend waits for news


def _address(url: str) -> str:
    """`https://host/api/v1` for that, for https://host/api, and for https://host."""
    root = url.rstrip("/").removesuffix("/v1").removesuffix("/api")
    return f"{root}/api/v1"


def _target(base: str, call: Call[Any]) -> str:
    return call.path if call.path.startswith(("http://", "https://")) else base + call.path


def _form_call(form: Any, file: OpenFile) -> Call[None]:
    """The upload that a form of dataGetPresign allows."""
    fields = {**form.fields, "file": (file.name, file.content, file.content_type)}
    return Call("POST", form.upload_url, form=fields, read=lambda _: None, needs_api_key=False)


class Client(Operations):
    """The backend at `url` (such as https://kreatum.ru/api), called with `api_key`.

    Threads may share one. Each method of the contract is a method here; a refusal is an exception
    with a class of its own (`JobNotFound`). What is safe to send again is sent again, at most
    `attempts` times in all; a pause that the backend asks for is kept if it is no longer than
    `longest_pause` seconds. timeout: seconds of silence before a call counts as lost.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = TIMEOUT,
        attempts: int = Patience.attempts,
        longest_pause: float = Patience.longest_pause,
        http: httpx.Client | None = None,
    ) -> None:
        self.url = _address(url)
        self._api_key = api_key
        self._timeout = timeout
        self._patience = Patience(attempts, longest_pause)
        self._http = http or httpx.Client()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def upload(
        self,
        source: Source,
        *,
        type: DataType = "image",
        name: str | None = None,
        direct: bool = False,
    ) -> Data:
        """Upload a file and return it ready for an order; it is read as it is sent.

        source: a path, bytes, or a file open for reading. direct: past the server, straight to the
        storage, through a form that the server signs: for large files.
        """
        with opened(source, name) as file:
            if not direct:
                return self.data_upload_multipart(file=file.content, type=type)
            form = self.data_get_presign(
                type=type, file_name=file.name, content_type=file.content_type
            )
            self._send(_form_call(form, file), FILE_TIMEOUT)
        return self.data_confirm_upload(form.data_id)

    def download(self, url: str) -> bytes:
        """The file behind a link such as `job.result_url`."""
        return self._answer(Call("GET", url, needs_api_key=False), FILE_TIMEOUT).content

    def events(self, *, wait: int = LONGEST_WAIT) -> Iterator[Event]:
        """Every event as it happens, oldest first, for ever.

        An event counts as handled when the loop has come back for the page after it. It goes on
        where the last program has stopped, so that nothing has to be remembered; one that was
        killed gets its last page again.
        """
        after: int | None = None
        while True:
            for event in self.events_list(after=after, wait=wait):
                yield event
                after = event.sequence

    def _send(self, call: Call[T], timeout: float | None = None) -> T:
        return call.answer(self._answer(call, timeout or self._timeout))

    def _answer(self, call: Call[Any], timeout: float) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            options = call.options(self._api_key, timeout)
            try:
                response = self._http.request(call.method, _target(self.url, call), **options)
            except httpx.TransportError as trouble:
                pause = self._patience.after_silence(call, attempt, trouble)
            else:
                if response.is_success:
                    return response
                pause = self._patience.after_refusal(call, attempt, response)
            time.sleep(pause)


class AsyncClient(AsyncOperations):
    """What Client is, for asyncio."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout: float = TIMEOUT,
        attempts: int = Patience.attempts,
        longest_pause: float = Patience.longest_pause,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.url = _address(url)
        self._api_key = api_key
        self._timeout = timeout
        self._patience = Patience(attempts, longest_pause)
        self._http = http or httpx.AsyncClient()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def upload(
        self,
        source: Source,
        *,
        type: DataType = "image",
        name: str | None = None,
        direct: bool = False,
    ) -> Data:
        """Upload a file and return it ready for an order; it is read as it is sent.

        source: a path, bytes, or a file open for reading. direct: past the server, straight to the
        storage, through a form that the server signs: for large files.
        """
        with opened(source, name) as file:
            if not direct:
                return await self.data_upload_multipart(file=file.content, type=type)
            form = await self.data_get_presign(
                type=type, file_name=file.name, content_type=file.content_type
            )
            await self._send(_form_call(form, file), FILE_TIMEOUT)
        return await self.data_confirm_upload(form.data_id)

    async def download(self, url: str) -> bytes:
        """The file behind a link such as `job.result_url`."""
        call: Call[None] = Call("GET", url, needs_api_key=False)
        return (await self._answer(call, FILE_TIMEOUT)).content

    async def events(self, *, wait: int = LONGEST_WAIT) -> AsyncIterator[Event]:
        """Every event as it happens, oldest first, for ever.

        An event counts as handled when the loop has come back for the page after it. It goes on
        where the last program has stopped, so that nothing has to be remembered; one that was
        killed gets its last page again.
        """
        after: int | None = None
        while True:
            for event in await self.events_list(after=after, wait=wait):
                yield event
                after = event.sequence

    async def _send(self, call: Call[T], timeout: float | None = None) -> T:
        return call.answer(await self._answer(call, timeout or self._timeout))

    async def _answer(self, call: Call[Any], timeout: float) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            options = call.options(self._api_key, timeout)
            try:
                response = await self._http.request(call.method, _target(self.url, call), **options)
            except httpx.TransportError as trouble:
                pause = self._patience.after_silence(call, attempt, trouble)
            else:
                if response.is_success:
                    return response
                pause = self._patience.after_refusal(call, attempt, response)
            await asyncio.sleep(pause)
