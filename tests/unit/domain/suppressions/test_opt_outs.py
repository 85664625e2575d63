"""Opt-out and opt-in words: what counts as one, however a phone writes it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver import settings
from receiver.app.policies import make_policy
from receiver.domain.suppressions.opt_outs import LONGEST_WORD, USUAL_WORDS, Intent, make_words
from receiver.errors import SettingsError
from tests.support.server import run

OUT, IN = Intent.OPT_OUT, Intent.OPT_IN


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        pytest.param("R", OUT, id="the documented word"),
        pytest.param("r", OUT, id="small"),
        pytest.param("\uff32", OUT, id="full-width"),
        pytest.param(" R \r\n", OUT, id="blanks around"),
        pytest.param("\u3000T\u3000D\u3000", OUT, id="ideographic blanks"),
        pytest.param("t d", OUT, id="a blank inside"),
        pytest.param("\ufeffTD\u200b", OUT, id="signs without width"),
        pytest.param("退\u200d订", OUT, id="a joiner inside"),
        pytest.param("退订。", OUT, id="full stop"),
        pytest.param("“退订”!!", OUT, id="quotes"),
        pytest.param("【退 订】", OUT, id="brackets"),
        pytest.param("\u00b4R`", OUT, id="accents as quotes"),
        pytest.param("<n>~", OUT, id="signs as brackets"),
        pytest.param("Unsubscribe", OUT, id="a long word"),
        pytest.param("STOP 🙏", OUT, id="an emoji behind"),
        pytest.param("👍🏽STOP👍🏽", OUT, id="emojis with a skin tone around"),
        pytest.param("退订❤️", OUT, id="an emoji with its variation selector"),
        pytest.param("👨\u200d👩\u200d👧 退订", OUT, id="joined emojis"),
        pytest.param("🇨🇳退订🏴\U000e0067\U000e0062\U000e007f", OUT, id="flags"),
        pytest.param("1️⃣ R *️⃣", OUT, id="keycaps"),
        pytest.param("STOPⓂ️", OUT, id="an enclosed letter behind"),
        pytest.param("㊙️退订㊗️", OUT, id="enclosed characters around"),
        pytest.param("STOP™", OUT, id="a sign that is letters to NFKC"),
        pytest.param("S\u0336T\u0336O\u0336P\u0336", OUT, id="struck through"),
        pytest.param("退\ufe0f订", OUT, id="a variation selector inside"),
        pytest.param("R\u3164", OUT, id="a filler behind"),
        pytest.param("STOP\u0308", OUT, id="a mark that makes no letter"),
        pytest.param("STOP\x00", OUT, id="a NUL behind"),
        pytest.param("ST\x07OP", OUT, id="a control character inside"),
        pytest.param("R+", OUT, id="a sign behind"),
        pytest.param("=R=", OUT, id="signs around"),
        pytest.param("STOP ALL", OUT, id="two words that are one"),
        pytest.param("Opt out", OUT, id="opt out"),
        pytest.param("opt-out", OUT, id="with a hyphen"),
        pytest.param("Opt\u2013Out", OUT, id="with the dash of a phone"),
        pytest.param("opt_out", OUT, id="with a low line"),
        pytest.param("回复 R", OUT, id="a blank in a word of both scripts"),
        pytest.param("【回复R】", OUT, id="a word of both scripts in brackets"),
        pytest.param("回复“\uff34\uff24”", OUT, id="quotes inside"),
        pytest.param("回复：R", OUT, id="a colon inside"),
        pytest.param("TD退订", OUT, id="both words"),
        pytest.param("取消訂閱", OUT, id="traditional"),
        pytest.param("START 🙂", IN, id="opt-in with an emoji"),
        pytest.param("START", IN, id="opt-in"),
        pytest.param("恢复 订阅", IN, id="opt-in in Chinese"),
        pytest.param("退订吗", None, id="a question"),
        pytest.param("请退订", None, id="a sentence"),
        pytest.param("请回复R", None, id="words before it"),
        pytest.param("RR", None, id="twice"),
        pytest.param("R8", None, id="a digit behind"),
        pytest.param("RE", None, id="another word"),
        pytest.param("T恤", None, id="a word that begins with one"),
        pytest.param("STOP IT NOW", None, id="a sentence in English"),
        pytest.param("🙏", None, id="an emoji only"),
        pytest.param("Ⓡ", None, id="an enclosed letter only"),
        pytest.param("1️⃣", None, id="a keycap only"),
        pytest.param("N\u0303", None, id="a letter of two characters"),
        pytest.param("STOP\udcff", None, id="a byte that nobody can read"),
        pytest.param("T-D", None, id="punctuation inside"),
        pytest.param("\u0422", None, id="a Cyrillic letter"),
        pytest.param("stop it", None, id="more words"),
        pytest.param("", None, id="empty"),
        pytest.param(" .!", None, id="punctuation only"),
        pytest.param(" " * 201 + "R", None, id="too long for a word"),
    ],
)
def test_what_a_text_asks_for(text: str, intent: Intent | None) -> None:
    """A text asks for something when the whole of it is a word, in any writing of it."""
    assert USUAL_WORDS.intent_of(text) is intent


_WORDS = [("R", OUT), ("TD", OUT), ("退订", OUT), ("unsubscribe", OUT), ("START", IN)]
_BLANKS = st.text(st.sampled_from(" \t\u00a0\u2003\u3000\u200b\u200d\ufeff"), max_size=3)
_AROUND = st.text(
    st.sampled_from(".,;!?。、“”「」()[]'\" \u3000\x00+=$©™🙏❤\ufe0f\u200d🏽♀🇨🇳Ⓜ㊗"), max_size=4
)


@given(st.sampled_from(_WORDS), st.data())
def test_every_spacing_of_a_word_is_the_word(word: tuple[str, Intent], data: st.DataObject) -> None:
    """Blanks anywhere, punctuation around it, capitals and width change nothing."""
    text = ""
    for letter in word[0]:
        full = chr(ord(letter) + 0xFEE0) if letter.isascii() else letter
        text += data.draw(st.sampled_from([letter.lower(), letter.upper(), full]))
        text += data.draw(_BLANKS)
    text = data.draw(_AROUND) + text + data.draw(_AROUND)

    assert USUAL_WORDS.intent_of(text) is word[1]


@given(st.text(st.sampled_from("请吗了rXYZ019"), min_size=1), st.sampled_from(_WORDS))
def test_more_than_a_word_is_none(letters: str, word: tuple[str, Intent]) -> None:
    """What holds more letters than a word is an ordinary answer."""
    assert USUAL_WORDS.intent_of(word[0] + letters) is None
    assert USUAL_WORDS.intent_of(f"{word[0]} {letters}") is None


@pytest.mark.parametrize(
    ("opt_out", "opt_in", "wrong"),
    [
        pytest.param(["R", " "], [], "' ' contains only blanks", id="blank"),
        pytest.param(["R"], ["..."], "'...' contains only blanks", id="punctuation"),
        pytest.param(["R"], ["\uff52"], "'r' is also an opt-out keyword", id="in both lists"),
        pytest.param(["x" * (LONGEST_WORD + 1)], [], "at most 64 characters", id="too long"),
    ],
)
def test_a_word_that_cannot_be_used_is_refused(
    opt_out: list[str], opt_in: list[str], wrong: str
) -> None:
    """A word that could never come, or that means both, is refused with its reason."""
    with pytest.raises(ValueError, match=wrong):
        make_words(opt_out, opt_in)


# --- settings -----------------------------------------------------------------------------------


def test_the_words_are_settings(tmp_path: Path) -> None:
    """Lists of the settings replace the usual ones; an empty one switches its words off."""
    config = tmp_path / "receiver.toml"
    config.write_text('[uplinks]\nopt_out_words = ["回复R", "r"]\nopt_in_words = []\n')

    words = make_policy(settings.load(config)).words

    assert [words.intent_of(text) for text in ("回复 R", "R", "TD", "START")] == [
        OUT, OUT, None, None,
    ]  # fmt: skip


def test_a_symbol_can_be_a_word() -> None:
    """A word of the settings may be a symbol alone; it comes with or without its selector."""
    words = make_words(["❌", "R"], ["👍"])

    assert [words.intent_of(text) for text in ("❌", "❌\ufe0f", "👍", "❌❌", "❌R")] == [
        OUT, OUT, IN, None, OUT,
    ]  # fmt: skip


def test_the_usual_words_are_in_force() -> None:
    """Without any setting the usual words hold."""
    assert make_policy(settings.load()).words == USUAL_WORDS


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            'opt_out_words = ["R", "。"]',
            "uplinks.opt_out_words: the keyword '。' contains only blanks and "
            "punctuation; remove it",
            id="empty",
        ),
        pytest.param(
            'opt_in_words = ["stop"]',
            "uplinks.opt_in_words: 'stop' is also an opt-out keyword; remove it from "
            "one of the two lists",
            id="both, by the usual list",
        ),
        pytest.param(
            'opt_out_words = ["R"]\nopt_in_words = [""]',
            "uplinks.opt_in_words: the keyword '' contains only blanks and punctuation; remove it",
            id="empty opt-in",
        ),
        pytest.param(
            "answer_within_hours = 0",
            "uplinks.answer_within_hours: Input should be greater than 0",
            id="no window",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    """Each problem is told in one line that names the setting."""
    config = tmp_path / "receiver.toml"
    config.write_text(f"[uplinks]\n{text}\n")

    with pytest.raises(SettingsError) as refused:
        settings.load(config)

    assert str(refused.value).splitlines() == [problem]


def test_a_word_that_is_set_takes_precedence_over_a_default(tmp_path: Path) -> None:
    """A default opt-out word that is set as an opt-in word means an opt-in; the others stay."""
    config = tmp_path / "receiver.toml"
    config.write_text('[uplinks]\nopt_in_words = ["cancel"]\n')

    words = make_policy(settings.load(config)).words

    assert [words.intent_of(text) for text in ("Cancel", "QUIT", "START")] == [IN, OUT, None]


def test_check_shows_the_words(tmp_path: Path) -> None:
    """`receiver check` names the words that are in force, and refuses a clash."""
    env = {"RECEIVER_DATA_DIR": str(tmp_path), "RECEIVER_UPLINKS__OPT_OUT_WORDS": '["QUIT"]'}
    shown = run("check", "--json", env=env)
    clash = run("check", env={**env, "RECEIVER_UPLINKS__OPT_IN_WORDS": '["quit"]'})

    assert shown.returncode == 0
    assert '"QUIT"' in shown.stdout
    assert clash.returncode != 0
    assert "'quit' is also an opt-out keyword" in clash.stderr
