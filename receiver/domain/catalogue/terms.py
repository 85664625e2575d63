"""The meaning of categories and retry classes as text."""

from collections.abc import Mapping
from dataclasses import dataclass

from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.wording.languages import Language


@dataclass(frozen=True, slots=True)
class Term:
    """A term of ours, explained."""

    en: str
    zh: str

    def in_(self, language: Language) -> str:
        """Return the explanation in a language."""
        return self.zh if language is Language.ZH else self.en


CATEGORY_WORDS: Mapping[Category, Term] = {
    Category.DELIVERED: Term("delivered to the phone", "手机已收到短信"),
    Category.ACCEPTED: Term("on its way", "发送中"),
    Category.HANDSET_UNREACHABLE: Term(
        "the phone is off, suspended, full or out of coverage",
        "手机关机、停机、存满或不在服务区",
    ),
    Category.INVALID_NUMBER: Term(
        "the number does not exist, is not a mobile or was ported",
        "空号、不是手机号或已携号转网",
    ),
    Category.BLOCKED_RECIPIENT: Term(
        "the number is on a blocklist, or the recipient opted out", "号码在黑名单中，或用户已退订"
    ),
    Category.CONTENT_REJECTED: Term(
        "a filter or a template check rejected the text", "内容被关键词过滤或模板校验拦截"
    ),
    Category.RATE_LIMITED: Term(
        "too many messages in too short a time, or at a forbidden time of day",
        "发送过频，或不在允许的时段",
    ),
    Category.QUOTA_EXHAUSTED: Term(
        "the limit or the package of the account is used up", "账号的限额或资源包已用尽"
    ),
    Category.ROUTING: Term("there is no route to the number", "没有到达该号码的路由"),
    Category.CONFIGURATION: Term(
        "request, template, signature or channel is configured incorrectly",
        "请求、模板、签名或通道的配置有误",
    ),
    Category.ACCOUNT: Term("credentials, or the state of the account", "认证信息或账号状态有问题"),
    Category.CARRIER_FAILURE: Term("failure inside the carrier network", "运营商内部故障"),
    Category.PLATFORM_FAILURE: Term("failure inside the platform", "平台内部故障"),
    Category.TIMEOUT: Term(
        "no response in time; the message may have been delivered", "超时无应答，短信可能已送达"
    ),
    Category.UNKNOWN: Term("the meaning is not documented", "含义未知"),
}

RETRY_WORDS: Mapping[RetryClass, Term] = {
    RetryClass.NONE: Term("nothing to send again", "无需重发"),
    RetryClass.RETRY_SOON: Term("send again after a minute", "一分钟后重发"),
    RetryClass.RETRY_LATER: Term("send again later", "稍后重发"),
    RetryClass.NEXT_DAY: Term("send again the next day", "次日重发"),
    RetryClass.AFTER_FIX: Term("correct the cause first", "消除原因后重发"),
    RetryClass.NEVER: Term("do not send again", "不要重发"),
    RetryClass.INVESTIGATE: Term("find out the cause first", "先查明原因"),
}
