"""The endpoint that explains the state of a message."""

from starlette.requests import Request
from starlette.responses import Response

from receiver.api.access.auth import Scope
from receiver.api.base import json_answer, needs, text_in_path
from receiver.api.bodies import views
from receiver.api.bodies.code_views import entry_json
from receiver.api.bodies.decisions import Telling
from receiver.api.bodies.parsing import Query
from receiver.api.messages import find_one
from receiver.domain.explanation.explanation import CandidateRow, Explanation, JudgedReport, explain
from receiver.domain.explanation.policy_steps import ExplainedMessage, PolicyRules
from receiver.domain.messages.anomalies import WORDS
from receiver.domain.messages.state import State
from receiver.domain.times import to_rfc3339
from receiver.domain.wording.languages import Language
from receiver.domain.wording.sentences import Reason
from receiver.retries.judge import MessageDecision


class Explaining(Telling):
    """Explains messages."""

    @needs(Scope.READ)
    async def explain(self, request: Request) -> Response:
        """Explain which report decided and why, and which row and rule apply."""
        query = Query(request)
        application = query.application()
        language = query.language(self._parts.language)
        query.done()
        async with self._parts.store.reading() as connection:
            stored = await find_one(connection, text_in_path(request), application)
            (decided,) = await self.decide(connection, [stored], language)
        return json_answer(self._explained(decided, language), language=language)

    def _explained(self, decided: MessageDecision, language: Language) -> views.Json:
        stored = decided.stored
        policy, message = self._parts.policy, stored.message
        rules = PolicyRules(
            catalogue=policy.catalogue,
            late_delivered=policy.late_delivered,
            overdue_after_us=self._parts.overdue_after_us,
        )
        overdue = stored.state is State.OVERDUE
        case = ExplainedMessage(
            message.send, list(message.reports.values()), message.registered_at, overdue
        )
        explanation = explain(case, rules)
        folded = explanation.folded
        return {
            "sms_msg_id": message.sms_msg_id,
            "application": message.application,
            "registered": message.send is not None,
            "reports": [_judged_json(judged, language) for judged in explanation.reports],
            "parts": {
                "expected": folded.total,
                "missing": list(explanation.missing),
                "extra": list(explanation.extra),
                **views.reason_json(explanation.parts, language),
            },
            "state": {
                "state": explanation.state.value,
                "final": folded.final,
                **views.reason_json(explanation.state_reason, language),
            },
            "code": _code_json(explanation, language),
            "catalogue": {
                "version": policy.catalogue.version,
                "why": decided.verdict.why,
                "rows": [_row_json(row, language) for row in explanation.candidates],
            },
            "policy": [views.reason_json(reason, language) for reason in explanation.policy],
            "retry": {
                **views.retry_json(decided.retry, language),
                "steps": [views.reason_json(reason, language) for reason in _steps(decided)],
            },
            "verdict": views.verdict_json(decided.verdict),
            "anomalies": [
                {"name": anomaly.value, "text": WORDS[anomaly].in_(language)}
                for anomaly in explanation.anomalies
            ],
        }


def _steps(decided: MessageDecision) -> list[Reason]:
    """Return the arithmetic of the plan, and last what overruled it."""
    steps, last = list(decided.planned.steps), decided.retry.reason
    return steps if last is None or last in steps else [*steps, last]


def _judged_json(judged: JudgedReport, language: Language) -> views.Json:
    stored, report = judged.stored, judged.stored.report
    return {
        "part": views.part_number(judged.part),
        "place": judged.place,
        "outcome": judged.outcome.value,
        **views.reason_json(judged.reason, language),
        "sequence": views.part_number(report.sequence, lowest=0),
        "total": report.total or None,
        "status": report.status,
        "org_code": report.org_code,
        "source": report.source,
        "updated_at": None if report.updated_at is None else to_rfc3339(report.updated_at),
        "received_at": to_rfc3339(stored.received_at),
        "redeliveries": stored.redeliveries,
    }


def _code_json(explanation: Explanation, language: Language) -> views.Json | None:
    if explanation.code_reason is None:
        return None
    part = explanation.deciding_part
    return {
        "code": explanation.folded.code,
        "part": None if part is None else views.part_number(part),
        **views.reason_json(explanation.code_reason, language),
    }


def _row_json(row: CandidateRow, language: Language) -> views.Json:
    return {
        "decides": row.decides,
        "looked_up": row.asked,
        **entry_json(row.entry, language),
    }
