"""Sends again what the receiver says may be sent again, by the platform's own SDK.

Set RECEIVER_URL, RECEIVER_API_KEY, RETRY_NOTES (a directory), SMS_ENDPOINT, SMS_APP_KEY and
SMS_APP_SECRET.

It may be killed at any moment. A note on disk says what is under way: after a crash, what had been
answered is completed, and what may or may not have been sent is given up rather than sent twice.
Run one worker for each directory of notes.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.utils.http_utils import sanitize_for_serialization
from huaweicloudsdksmsapi.v1 import BatchSendSmsRequest, BatchSendSmsRequestBody, SMSApiClient
from huaweicloudsdksmsapi.v1.smsapi_credentials import SMSApiCredentials

NOTES = Path(os.environ["RETRY_NOTES"])
receiver = httpx.Client(
    base_url=os.environ["RECEIVER_URL"],
    headers={"authorization": f"Bearer {os.environ['RECEIVER_API_KEY']}"},
)
credentials = SMSApiCredentials(os.environ["SMS_APP_KEY"], os.environ["SMS_APP_SECRET"])
sms = (
    SMSApiClient.new_builder()
    .with_credentials(credentials)
    .with_endpoint(os.environ["SMS_ENDPOINT"])
    .build()
)


def parameters_of(reference: str | None) -> str:
    """Return the parameters of the template as JSON: only your application knows them."""
    return json.dumps([reference or ""])


def send(item: dict[str, Any]) -> dict[str, Any]:
    """Send a message again."""
    body = BatchSendSmsRequestBody(
        _from=item["from"],
        to=item["to"],
        template_id=item["template_id"],
        template_paras=parameters_of(item["reference"]),
        extend=item["extend"],
    )
    response = sms.batch_send_sms(BatchSendSmsRequest(body=body))
    return dict(sanitize_for_serialization(response))


def keep(note: Path, item: dict[str, Any]) -> None:
    """Write a note that survives a crash."""
    draft = note.with_suffix(".draft")
    with draft.open("w") as file:
        json.dump(item, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(note)


def settle(note: Path, item: dict[str, Any]) -> None:
    """Report the result of an item to the receiver; without a note it is uncertain."""
    how, what = item.get("outcome", ("abandon", {"reason": "in doubt after a crash"}))
    path = f"/v1/retries/{item['id']}/{how}"
    answer = receiver.post(path, json={"lease": item["lease"], **what})
    if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT):
        print(f"item {item['id']} is already settled", file=sys.stderr)
    else:
        answer.raise_for_status()
    note.unlink()


def work() -> int:
    """Process the items that are due; return their number."""
    for note in NOTES.glob("*.json"):  # what a crash left
        settle(note, json.loads(note.read_text()))
    # One at a time: after a crash, a claimed item waits for the end of its lease.
    claim = receiver.post("/v1/retries/claim", json={"limit": 1, "lease_seconds": 600})
    items = claim.raise_for_status().json()["retries"]
    for item in items:
        note = NOTES / f"{item['id']}.json"
        keep(note, item)
        try:
            response = send(item)
            item["outcome"] = "complete", {"response": response}
            if not any(entry.get("smsMsgId") for entry in response.get("result") or ()):
                item["outcome"] = "abandon", {"reason": "the platform named no message"}
        except ClientRequestException:  # refused as a whole: nothing was sent
            item["outcome"] = "release", {"delay_seconds": 300}
        keep(note, item)
        settle(note, item)
    return len(items)


if __name__ == "__main__":
    NOTES.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            if work():
                continue
        except httpx.HTTPError as error:  # reported when the receiver is back
            print(
                f"the receiver does not accept the result: {type(error).__name__}", file=sys.stderr
            )
        time.sleep(1)
