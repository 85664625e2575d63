"""Column names that consoles and people use for the fields of a send."""

import re
import unicodedata
from datetime import tzinfo

from receiver.huawei.imports.cells import read_offset

ID = "sms_msg_id"
STATUS = "status"
SEND_STATUS = "send_status"  # in our own exports, where it stands beside what reports said
COUNTRY = "country"
REGISTERED = "registered"  # in our own exports alone
APPLICATION = "application"  # as well

# A column of our own exports of uplinks: their ids are those of no sends.
OF_UPLINKS = "answers_sms_msg_id"

# The columns that `--rejects` puts before those of a row, and the fields it adds to a JSON line.
REJECTED = ("line", "reason")

# our name -> headers that say it, the surest first, as `folded` writes them
HEADERS: dict[str, tuple[str, ...]] = {
    ID: (
        "smsmsgid",
        "msgid",
        "smsid",
        "messageid",
        "smsmessageid",
        "短信id",
        "消息id",
        "短信消息id",
        "短信标识",
        "消息标识",
        "短信唯一标识",
        "簡訊id",
        "訊息id",
    ),
    STATUS: ("status", "sendstatus"),
    "to": (
        "to",
        "originto",
        "mobilenumber",
        "mobile",
        "phonenumber",
        "phone",
        "recipient",
        "recipientnumber",
        "recipientmobilenumber",
        "手机号码",
        "手机号",
        "接收号码",
        "接收手机号",
        "接收手机号码",
        "接收方号码",
        "被叫号码",
        "手機號碼",
        "手機號",
        "接收號碼",
    ),
    "from": (
        "from",
        "sender",
        "senderid",
        "channelnumber",
        "channelno",
        "smschannelnumber",
        "通道号",
        "通道号码",
        "短信通道号",
        "发送方号码",
        "通道號",
    ),
    "sent_at": (
        "sentat",
        "createtime",
        "sendingtime",
        "sendtime",
        "senttime",
        "timesent",
        "submittime",
        "submissiontime",
        "发送时间",
        "短信发送时间",
        "提交时间",
        "创建时间",
        "傳送時間",
        "發送時間",
    ),
    "total": ("total", "totalparts", "parts", "segments", "拆分条数", "分段数"),
    COUNTRY: (
        "country",
        "countryid",
        "countrycode",
        "countryregion",
        "国家代码",
        "国家码",
        "国家地区",
    ),
    "extend": ("extend", "扩展字段", "扩展参数"),
    "reference": ("reference", "业务编号", "业务流水号"),
    "template_id": ("templateid", "smstemplateid", "模板id", "模板编号", "短信模板id"),
    "text_length": ("textlength", "字数", "短信字数"),
    "retry_of": ("retryof", "previousattempt"),
}
COLUMN_NAMES = tuple(HEADERS)

# A header of times may say by which clock: `Sending Time (UTC+08:00)`, `发送时间（北京时间）`.
_WITH_ZONE = re.compile(r"(?P<name>.+?)\s*[(\[](?P<zone>[^)\]]+)[)\]]\s*")
_CHINA_TIME = ("北京时间", "北京時間", "beijing time", "china standard time")


def folded(header: str) -> str:
    """Write a header without what varies: case, blanks, signs, width."""
    plain = unicodedata.normalize("NFKC", header).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def zone_in(header: str) -> tuple[str, tzinfo | None]:
    """Split the header of times into its name and the zone that it names, if it does."""
    found = _WITH_ZONE.fullmatch(unicodedata.normalize("NFKC", header))
    if found is None:
        return header, None
    zone = found["zone"].strip()
    try:
        return found["name"], read_offset("+08:00" if zone.casefold() in _CHINA_TIME else zone)
    except ValueError:
        return header, None
