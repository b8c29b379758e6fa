"""A question to answer before the answer shows: choose, then see."""

import html

import ipywidgets as w
from IPython.display import display

from ..inputs import brief
from .pictures import WIDGET, text


class Choice:
    """Radio buttons, none chosen at first, and the reply to the one that is chosen; see `choose`."""

    def __init__(self, question: str, replies: dict[str, str], right: str):
        text("question", question)
        if not isinstance(replies, dict) or not all(isinstance(t, str) for pair in replies.items() for t in pair):
            raise ValueError(f"replies={brief(replies)} must be a dict of texts: answer -> what is said to it.")
        if len(replies) < 2 or not isinstance(right, str) or right not in replies:
            raise ValueError(
                f"right={brief(right)} must be one of two or more answers: {', '.join(map(repr, replies))}."
            )
        self.replies, self.right = replies, right
        self.buttons = w.RadioButtons(options=list(replies), value=None, layout=w.Layout(width="auto"))
        self.reply = w.HTML()
        self.widget = w.VBox([w.HTML(f"<b>{html.escape(question)}</b>"), self.buttons, self.reply])
        self.buttons.observe(lambda change: self._answer(change["new"]), "value")
        answers = "".join(f"<details><summary>{html.escape(a)}</summary>{self.text(a)}</details>" for a in replies)
        self.page = f"<p><b>{html.escape(question)}</b></p>{answers}"

    def text(self, answer: str) -> str:
        verdict = "Yes." if answer == self.right else "No."
        return f"<b>{verdict}</b> {html.escape(self.replies[answer])}"

    def _answer(self, answer: str | None) -> None:
        said = "" if answer is None else self.text(answer)
        self.reply.value = f'<div role="status" aria-live="polite" style="max-width:48em;line-height:1.45">{said}</div>'


def choose(question: str, replies: dict[str, str], *, right: str) -> Choice:
    """A question with its possible answers, {answer: what is said to it}; `right` is the right one.

    Without a kernel (a web page) each answer unfolds its reply. Raises ValueError when `right` is not an answer, or one
    of them is no text.
    """
    choice = Choice(question, replies, right)
    widget = {"version_major": 2, "version_minor": 0, "model_id": choice.widget.model_id}
    plain = f"{question} " + "; ".join(replies)
    display({WIDGET: widget, "text/html": choice.page, "text/plain": plain}, raw=True)
    return choice
