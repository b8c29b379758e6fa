"""Notebooks in JupyterLab in a real browser: questions answered, and sliders that move their picture.

Of a few notebooks by turns (`turns`) the cells are run that their widgets need, by the syntax trees; each runs whole,
once, outside the browser.
"""

import re
from pathlib import Path

import lab
import nbformat
import pytest
import turns
from dependence import needed

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(lab.BROWSER is None, reason=f"no browser: none of {', '.join(lab.NAMES)} is installed"),
]
# name: (questions, [(label of a slider that is pushed to its other end, words that the picture's text holds then)])
CASES = {
    "05_training_dynamics": (0, [("rounds", ", 100 rounds")]),
    "06_distances_and_penalties": (0, [("gap", "δ = 2.50")]),
    "07_gan_clinic": (6, [("room", "Room 12")]),
    "08_evaluation": (1, [("N", "N = 10,000"), ("seeds", "better by 6.6")]),
    "09_overfitting": (0, [("threshold", "caught 0%"), ("images", "5,000 images")]),
    "10_what_the_discriminator_knows": (4, [("size", "fall when hidden"), ("factor", "times 4"), ("off", "24 of 48")]),
    "11_latent_space": (2, [("stored step", "step 200"), ("seed", "seed 4")]),
    "12_vae_and_gan": (3, [("pixel sigma", "σ = 2.00"), ("sigma", "σ = 2.20")]),
    "13_perceptual_losses": (
        2,
        [("moved", "moved by 12"), ("adversarial", "PSNR 16.5"), ("layer", "layer 7"), ("weight", "pixels 0.3")],
    ),
    "14_paired_translation": (1, [("p", "white in 100%"), ("weight λ", "λ = ∞"), ("step", "step 0:")]),
    "15_unpaired_translation": (2, [("k", "1 things"), ("cycle λ", "λ = 0"), ("noise", "noise 0.3")]),
    "16_restoration": (2, [("weight of b", "weight 1.00 of b"), ("t", "t = 1.0")]),
    "17_more_training_data": (4, [("n", "200 images a class"), ("share", "share 100%"), ("fakes", "100 fakes")]),
    "18_missing_values": (
        4,
        [("share missing", "share of 90 %"), ("share lost", "80% lost"), ("completions", "50 times")],
    ),
    "19_style": (
        5,
        [
            ("statistics", "statistics up to 4"),
            ("amount", "amount 1.00"),
            ("first layer", "layers 7 to"),
            ("psi", "ψ = 1.2"),
        ],
    ),
    "20_studio": (3, [("slant", "slant +3.0"), ("s", "diversity 1.")]),
    "21_fakes_and_ethics": (
        6,
        [
            ("found", "2.0% of the alarms"),
            ("strength", "JPEG: 5 quality"),
            ("threshold", "accused 0%"),
            ("limit", "z within ±0.3"),
        ],
    ),
    "22_scaling_up": (6, [("processes", "64 processes"), ("runs", "12 seeds")]),
    "23_words_motion_sound": (4, [("scatter", "phases scattered 0.0")]),
    "24_gans_after_2024": (6, [("mean", "Rejection keeps 14%")]),
}
# name: (label of a box, what is typed, words that the picture's text holds then)
TYPED = {
    "23_words_motion_sound": [
        ("sentence", "a small pink zebra", "understood: a small pink | unknown, left out: zebra"),
        ("sentence", "zebra", "Use some of"),
        (
            "sentence",
            "a large green disc on the left by day",
            "understood: a large green disc on the left by day",
        ),
    ]
}
TURNS = turns.of_today(NOTEBOOKS, list(CASES))


@pytest.mark.parametrize("name", CASES)
def test_the_words_are_those_of_the_stored_picture_but_for_their_numbers(name):
    """For every notebook, its turn or not: a text that is written anew is noticed here, without the browser."""
    number = r"-?\d[\d.,]*|∞"
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    stored = " ".join(str(o.get("data", {}).get("text/plain")) for c in cells for o in c.get("outputs", ()))
    for _, words in CASES[name][1]:
        assert re.search(f"({number})".join(map(re.escape, re.split(number, words))), stored), words


@pytest.mark.parametrize("name", CASES)
def test_choose_and_see_move_and_see(name, server, browser, tmp_path, request):
    if name not in TURNS and not request.config.getoption("every_notebook"):
        pytest.skip("not its turn; --every-notebook runs it")
    n_questions, sliders = CASES[name]
    nbformat.write(its_widgets(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)), tmp_path / f"{name}.ipynb")
    with server.open(tmp_path / f"{name}.ipynb") as address, lab.page(browser) as page:
        lab.run_all(page, address)
        questions = lab.widgets(page, "input[type=radio]")
        assert questions.count() == n_questions
        for question in questions.all():
            _each_answer_shows_its_reply(question)
        for label, words in sliders:
            _the_slider_moves_the_picture(page, label, words)
        for label, text, words in TYPED.get(name, ()):
            _the_picture_follows_the_typing(page, label, text, words)


def its_widgets(notebook):
    """The notebook with those cells alone that its widgets need; each widget has left one in the stored outputs."""
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    kind = "application/vnd.jupyter.widget-view+json"
    widgets = {i for i, c in enumerate(cells) if any(kind in o.get("data", {}) for o in c.outputs)}
    found = needed(cells, {0, *widgets})
    notebook.cells = [c for i, c in enumerate(cells) if i in found]
    return notebook


def _each_answer_shows_its_reply(question) -> None:
    reply, seen = question.get_by_role("status"), []
    assert reply.count() == 0, "a reply stood there before a choice"
    for answer in question.locator("input[type=radio]").all():
        answer.click()
        if seen:
            sync_api.expect(reply).not_to_have_text(seen[-1])
        seen.append(reply.inner_text())
    assert len(set(seen)) == len(seen) and sum(text.startswith("Yes.") for text in seen) == 1


def _the_slider_moves_the_picture(page, label: str, words: str) -> None:
    named = page.locator(".widget-slider").filter(has=page.locator(f"label:text-is('{label}')"))
    widget = lab.widgets(page, "img.widget-image").filter(has=named)
    picture, handle = widget.locator("img.widget-image"), widget.locator(named).locator(".noUi-handle")
    picture.scroll_into_view_if_needed()
    before = picture.get_attribute("src")
    handle.focus()
    handle.press("Home" if handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax") else "End")
    sync_api.expect(picture).not_to_have_attribute("src", before, timeout=10_000)
    sync_api.expect(widget.get_by_role("status")).to_contain_text(words, timeout=10_000)


def _the_picture_follows_the_typing(page, label: str, text: str, words: str) -> None:
    """Letter by letter, as people type; what is said of the picture, or against the text, is of the last."""
    named = page.locator(".widget-text").filter(has=page.locator(f"label:text-is('{label}')"))
    widget, box = lab.widgets(page, "img.widget-image").filter(has=named), named.locator("input")
    box.fill("")
    box.press_sequentially(text, delay=20)
    sync_api.expect(widget).to_contain_text(words, timeout=10_000)
