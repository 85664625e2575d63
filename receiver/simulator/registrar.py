"""The application's side: registers the platform's send responses with the receiver's API."""

import asyncio
from http import HTTPStatus
from typing import Any, Self

import httpx

from receiver.client.attempts import is_for_now
from receiver.domain import times
from receiver.simulator.options import SimulationError, SimulationOptions, origin_of
from receiver.simulator.population import ACCEPTED, SendRequest, SimulatedSend

_PAUSES = (0.2, 0.5, 1.0)  # seconds before asking again when the API is busy or away


class SimulatedRegistrar:
    """A client of the receiver's private API; an async context."""

    def __init__(self, options: SimulationOptions) -> None:
        self._origin = origin_of(options.api_url or "")
        self._address = f"{(options.api_url or '').rstrip('/')}/v1/sends"
        # A proxy of the environment has no business between two processes on one machine.
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {options.api_key}"},
            timeout=options.timeout_seconds,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def check(self) -> None:
        """See that the API is there and takes the key, by registering nothing.

        Raises:
            SimulationError: it is not, or does not.
        """
        try:
            answer = await self._client.post(self._address, json={"sends": []})
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if answer.status_code not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
            self._refuse(answer)

    async def register(self, request: SendRequest, *, first: bool) -> bool:
        """Register the sends of one request; False when the API kept failing.

        Raises:
            SimulationError: the API refuses the key or the document, or cannot be reached when
                this is the `first` of all.
        """
        document = registration(request)
        failure: httpx.TransportError | None = None
        for pause in (0.0, *_PAUSES):
            await asyncio.sleep(pause)
            try:
                answer = await self._client.post(self._address, json=document)
            except httpx.TransportError as error:
                failure = error
                continue
            if answer.is_success:
                return True
            self._refuse(answer)
        if first and failure:
            raise self._unreachable(failure) from failure
        return False

    def _refuse(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise SimulationError(
                f"The API at {self._origin} does not accept the key ({status}). Pass a "
                "key with the scope write, such as the one that `receiver serve` prints "
                "at its start."
            )
        if not (is_for_now(status) or answer.is_success):
            raise SimulationError(
                f"{self._origin} answered {status} to a registration. "
                "Check that it is the address of the receiver's private API (api_listen)."
            )

    def _unreachable(self, error: httpx.TransportError) -> SimulationError:
        return SimulationError(
            f"The API cannot be reached at {self._origin} ({type(error).__name__}). "
            'Correct the address, or set register to "never".'
        )


def registration(request: SendRequest) -> dict[str, Any]:
    """Return the body of `POST /v1/sends` for one send request."""
    document: dict[str, Any] = {
        "response": send_response(request),
        "reference": request.reference,
        "template_id": request.template_id,
    }
    if request.extend is not None:
        document["extend"] = request.extend
    return document


def send_response(request: SendRequest) -> dict[str, Any]:
    """Return what `batchSendSms` answers (sms_05_0001): one entry for each recipient."""
    sends = [message.send for message in request.messages]
    sent = any(send.status == ACCEPTED for send in sends)
    return {
        "result": [_entry(send) for send in sends],
        "code": ACCEPTED if sent else "E000510",
        "description": "Success" if sent else "The SMS fails to be sent. For details, see status.",
    }


def _entry(send: SimulatedSend) -> dict[str, Any]:
    return {
        "total": send.total,
        "originTo": send.origin_to,
        "createTime": times.to_rfc3339(send.sent_at),
        "from": send.sender,
        "smsMsgId": send.sms_msg_id,
        "countryId": send.country,
        "status": send.status,
    }
