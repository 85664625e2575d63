"""A client for programs that register their sends.

    client = Client("http://127.0.0.1:8081", spool="/var/spool/sms-registrations")
    send = client.sending(sdk_client.batch_send_sms)
    response = send(request, reference="order-4711")

`Client` is for synchronous programs, `AsyncClient` for asynchronous ones; `register` takes the
platform's response by itself. Nothing here raises into a program's sending unless it asks for that.
"""

from receiver.client.async_client import AsyncClient
from receiver.client.results import NotRegisteredError, Refused, Registered, Unusable
from receiver.client.sync_client import Client

__all__ = ["AsyncClient", "Client", "NotRegisteredError", "Refused", "Registered", "Unusable"]
