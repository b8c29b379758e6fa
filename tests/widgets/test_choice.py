"""Choose, then see: the reply belongs to the button, and a page without a kernel can unfold it."""

import pytest

from ganedu.widgets import choice, choose

REPLIES = {"a < b": "No: look again.", "b": "Because 1 < 2."}


@pytest.fixture
def shown(monkeypatch):
    bundles = []
    monkeypatch.setattr(choice, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


def test_nothing_is_chosen_or_told_at_first(shown):
    c = choose("Which?", REPLIES, right="b")
    assert c.buttons.value is None and c.reply.value == ""
    (bundle,) = shown
    assert bundle[choice.WIDGET]["model_id"] == c.widget.model_id
    assert bundle["text/plain"] == "Which? a < b; b"  # the answers without a verdict


def test_each_answer_has_its_reply_in_the_place_of_the_last(shown):
    c = choose("Which?", REPLIES, right="b")
    c.buttons.value = "a < b"
    assert "<b>No.</b> No: look again." in c.reply.value
    c.buttons.value = "b"
    assert "<b>Yes.</b> Because 1 &lt; 2." in c.reply.value and "look again" not in c.reply.value
    assert 'aria-live="polite"' in c.reply.value


def test_a_page_without_a_kernel_unfolds_the_replies(shown):
    choose("Which?", REPLIES, right="b")
    page = shown[0]["text/html"]
    assert page.count("<details>") == 2 and "<summary>a &lt; b</summary>" in page and "<b>Yes.</b>" in page


@pytest.mark.parametrize(
    "replies", [None, ["a", "b"], "ab", {"a": 1, "b": "x"}, {1: "x", 2: "y"}, {"a": None, "b": ""}]
)
def test_what_is_no_dict_of_texts_is_refused(replies, shown):
    with pytest.raises(ValueError, match="must be a dict of texts"):
        choose("Which?", replies, right="a")
    with pytest.raises(ValueError, match="question is NoneType: give a text"):
        choose(None, REPLIES, right="b")
    assert shown == []


@pytest.mark.parametrize(
    ("replies", "right"), [(REPLIES, ["b"]), (REPLIES, None), (REPLIES, "c"), ({"b": "only"}, "b"), ({}, "")]
)
def test_a_question_without_its_right_answer_is_refused(replies, right):
    with pytest.raises(ValueError, match="two or more answers"):
        choose("Which?", replies, right=right)
