"""The endpoint that registers sends."""

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import Endpoints, check_application, json_answer, needs
from receiver.api.bodies import views
from receiver.api.bodies.parsing import Query, bad, read_body, within
from receiver.domain.inputs import Send, Trust
from receiver.domain.messages.state import State
from receiver.domain.verdict import Subject, decide
from receiver.domain.wording.languages import Language
from receiver.huawei.registration import RegistrationError, read_registration
from receiver.journal import EntryKind, JournalEntry
from receiver.retries.judge import decide_refused


class Registering(Endpoints):
    """Registers sends."""

    @needs(Scope.WRITE)
    async def register(self, request: Request) -> Response:
        """Register sends; 202 when they are durable."""
        parts = self._parts
        query = Query(request)
        language = query.language(parts.language)
        query.done()
        body = await read_body(request, parts.max_body_bytes)
        try:
            registration = read_registration(body, is_new=True)
        except RegistrationError as error:
            raise bad(str(error)) from None
        named = check_application(within(request, registration.application), parts.applications)
        application = named or parts.applications[0]
        shown = registration.rejected[: views.MOST_SHOWN]
        rejected = [{"index": r.index, "reason": r.reason} for r in shown]
        if rejected and not registration.sends:
            raise bad(
                "No entry could be registered. Correct what `rejected` names and send "
                "the request again.",
                rejected=rejected,
            )
        if registration.sends:
            await parts.accept(self._entry(application, request, body))
        refused = [send for send in registration.sends if send.refused]
        return json_answer(
            {
                "application": application,
                "registered": len(registration.sends),
                "rejected": rejected,
                "ignored": views.ignored_json(registration.ignored),
                "refused": [
                    self._refused(send, application, language)
                    for send in refused[: views.MOST_SHOWN]
                ],
                "request": (
                    self._refusal(registration.refusal, language) if registration.refusal else None
                ),
            },
            status=202,
            language=language,
        )

    def _refused(self, send: Send, application: str, language: Language) -> views.Json:
        """Return the verdict of a refused send immediately: no report will arrive for it."""
        parts = self._parts
        verdict, retry = decide_refused(send, application, parts.policy, parts.clock(), language)
        return {
            "sms_msg_id": send.sms_msg_id,
            "code": send.status,
            "verdict": views.verdict_json(verdict),
            "retry": views.retry_json(retry, language),
        }

    def _refusal(self, code: str, language: Language) -> views.Json:
        """Return what the code means with which a whole request was refused."""
        policy = self._parts.policy
        subject = Subject(State.REFUSED, code, source=None, org_code=None)
        verdict = decide(subject, policy.catalogue, language)
        return {"code": code, "verdict": views.verdict_json(verdict)}

    def _entry(self, application: str, request: Request, body: bytes) -> JournalEntry:
        return JournalEntry(
            kind=EntryKind.SENDS,
            application=application,
            received_at=self._parts.clock(),
            peer=request.client.host if request.client else "",
            trust=Trust.OPEN.value,
            headers="",
            body=body,
        )
