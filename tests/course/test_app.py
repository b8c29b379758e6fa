"""The studio's application: its two cells give the page that the command asked for."""

import json

import nbformat
import pytest

from ganedu.__main__ import STUDIO, main
from ganedu.course import app
from ganedu.widgets import Studio, pictures


def run_cells(monkeypatch, **settings):
    """The last cell's page, with the settings that `ganedu studio` would have given."""
    if settings:
        monkeypatch.setenv(app.SETTINGS, json.dumps(settings))
    monkeypatch.setattr(pictures, "display", lambda *args, **kwargs: None)
    monkeypatch.setattr("torch.set_num_threads", lambda n: None)
    first, last = nbformat.read(app.NOTEBOOK, as_version=4).cells
    assert first.cell_type == last.cell_type == "code" and not first.outputs and not last.outputs
    names = {}
    exec(first.source + "\n" + last.source.replace("studio(maker", "shown = studio(maker"), names)
    return names["shown"]


def test_it_shows_the_digits_where_nothing_was_asked_and_its_pads_draw(monkeypatch):
    monkeypatch.delenv(app.SETTINGS, raising=False)
    shown = run_cells(monkeypatch)
    assert isinstance(shown, Studio) and shown.maker.name == "digits" and len(shown.tiles) == 12 * 28 * 28
    assert list(shown.fixed["panes"]) == ["make", "taste", "draw", "own"]
    shown._handle_custom_msg({"acts": [{"do": "pane", "name": "draw"}], "id": {"view": "v", "n": 1}}, [])
    assert shown.error == "" and shown.pads_ready
    outline, hole = shown.widget.children[1].children[1::2]
    for box in (outline, hole):
        pad = box.children[1]
        _, made, words = pad._first  # tried on an example before anything is shown
        assert words == "" and made.shape == (1, 1, 28, 28) and made.float().std() > 20


def test_it_opens_a_run_from_the_folder_of_the_command(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    line = "train cgan --data digits --image-size 16 --width 2 --steps 2 --out here"
    assert main(line.split()) == 0
    settings = json.loads(app.environment("digits", (tmp_path / "here"))[app.SETTINGS])
    monkeypatch.chdir("/")
    shown = run_cells(monkeypatch, **settings)
    assert shown.maker.name == "here" and shown.fixed["shape"] == [16, 16, 1] and len(shown.fixed["classes"]) == 10
    assert (tmp_path / "here").samefile("here"), "it works where the command was called"


@pytest.mark.parametrize("name", STUDIO)
def test_every_model_that_the_command_offers_is_there(name):
    from ganedu.topics.studio import NAMES, Maker

    assert name in NAMES and Maker.of(name).draw(Maker.of(name).fresh(1)).shape[0] == 1
