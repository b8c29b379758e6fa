"""Oracles: a stand-in whose pictures say by their grey how they were made, and what a reader would have seen."""

import base64
import io
import json
import time

import numpy as np
import pytest
import stand_in
from PIL import Image

from ganedu.widgets import Studio, pictures, studio
from ganedu.widgets.studio.desk import Desk
from ganedu.widgets.studio.own import Own


def grey(pixels, n=0):
    """(upper, lower) grey of the n-th picture of 8 x 8."""
    picture = np.frombuffer(pixels, "u1").reshape(-1, 8, 8)[n]
    assert (picture[:4] == picture[0, 0]).all() and (picture[4:] == picture[4, 0]).all()
    return int(picture[0, 0]), int(picture[4, 0])


def uppers(shown):
    return [grey(shown.tiles, n)[0] for n in range(12)]


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, "display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    return shown


@pytest.fixture
def shown(displayed):
    return studio(stand_in.Maker(styled=True), taste=stand_in.Taste, own=stand_in.OwnPictures())


@pytest.fixture
def files(shown, monkeypatch):
    sent = []
    monkeypatch.setattr(shown, "send", lambda content, buffers: sent.append((content, buffers)))
    return sent


def act(shown, *acts, n=1, view="v"):
    """What a page does: each act is a name, with its values."""
    acts = [{"do": a} if isinstance(a, str) else {"do": a[0], **a[1]} for a in acts]
    shown._handle_custom_msg({"acts": acts, "id": {"view": view, "n": n}}, [])
    assert shown.reply == {"view": view, "n": n}, "the page waits for it"
    return shown.error


# ------------------------------------------------------------------------------------------------------------ the page


def test_it_fills_at_once_and_a_page_without_kernel_gets_its_picture_and_words(displayed):
    shown = studio(stand_in.Maker())
    ((bundle, metadata),) = displayed
    assert isinstance(shown, Studio) and bundle[pictures.WIDGET]["model_id"] == shown.widget.model_id
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == shown.words
    assert "stand-in" in shown.words and "12 generated pictures" in shown.words and "weight, nothing" in shown.words
    page = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("L"))
    assert {60 + 2 * i for i in range(12)} <= set(np.unique(page).tolist()), "all twelve pictures are on it"
    assert uppers(shown) == [60 + 2 * i for i in range(12)] and grey(shown.big) == (60, 100)
    assert shown.fixed["panes"] == {"make": "Pictures"} and shown.fixed["shape"] == [8, 8, 1]
    first, second = shown.fixed["dials"]
    assert first["effect"] == "One unit adds 40 greys." and first["side"] == "" and second["side"] == "No side."


def test_equal_seeds_give_equal_pages_and_others_others(displayed):
    pages = [studio(stand_in.Maker(), seed=s).tiles for s in (0, 0, 1)]
    assert pages[0] == pages[1] != pages[2]


def test_two_pages_in_one_kernel_have_nothing_in_common(displayed):
    one, two = (studio(stand_in.Maker(), taste=stand_in.Taste, own=stand_in.OwnPictures()) for _ in range(2))
    before = two.state, two.tiles, two.taste_state
    act(one, ("dial", {"name": "weight", "value": 1.0}), ("keep", {"i": 3}), "fresh", ("pane", {"name": "taste"}))
    act(one, ("taste.pick", {"i": 1}), ("own.look", {"folder": "cats"}))
    assert (two.state, two.tiles, two.taste_state) == before and not two.own_state["looked"]


def test_a_dial_moves_the_chosen_picture_alone_and_sends_no_other(shown):
    tiles = shown.tiles
    assert act(shown, ("dial", {"name": "weight", "value": 0.5})) == ""
    assert grey(shown.big) == (80, 100) and shown.state["dials"] == {"weight": 0.5, "nothing": 0.0}
    assert shown.tiles is tiles, "what did not change stays where it is"
    drawn = shown.maker.drawn
    act(shown, ("choose", {"i": 4}))
    assert grey(shown.big) == (68, 100) and uppers(shown)[0] == 80 and shown.maker.drawn == drawn


def test_a_slider_that_is_dragged_is_one_step_to_undo(shown):
    for value in (0.1, 0.2, 0.3):
        act(shown, ("dial", {"name": "weight", "value": value}))
    act(shown, ("dial", {"name": "nothing", "value": 2.0}))
    act(shown, "undo")
    assert shown.state["dials"] == {"weight": 0.3, "nothing": 0.0}
    act(shown, "undo")
    assert shown.state["dials"]["weight"] == 0 and not shown.state["undo"] and grey(shown.big) == (60, 100)
    assert act(shown, "undo") == "There is nothing to undo."
    act(shown, "redo", "redo")
    assert shown.state["dials"] == {"weight": 0.3, "nothing": 2.0} and not shown.state["redo"]
    act(shown, "undo", ("dial", {"name": "weight", "value": -1.0}))
    assert act(shown, "redo") == "There is nothing to do again.", "another future has begun"


def test_new_pictures_leave_what_is_kept_and_take_over_what_is_locked(shown):
    act(shown, ("dial", {"name": "weight", "value": 1.0}), ("label", {"value": 2}), ("lock", {"name": "weight"}))
    act(shown, ("lock", {"name": "class"}), "keep", ("keep", {"i": 5}))
    before = shown.desk.page
    act(shown, "fresh")
    assert grey(shown.tiles, 0) == (100, 120) and grey(shown.tiles, 5) == (70, 100), "kept as they were"
    new = [grey(shown.tiles, n) for n in range(12) if n not in (0, 5)]
    assert new == [(60 + 2 * (12 + i) + 40, 120) for i in range(10)], "new ones, with the dial and the class"
    act(shown, ("lock", {"name": "weight"}), ("lock", {"name": "class"}), "fresh")
    assert grey(shown.tiles, 1) == (60 + 2 * 24, 100)
    for _ in range(3):
        act(shown, "undo")
    act(shown, "undo")
    assert shown.desk.page == before and shown.state["kept"] == [0, 5]


def test_nothing_is_new_where_all_is_kept(shown):
    act(shown, *(("keep", {"i": i}) for i in range(12)))
    assert "All pictures are kept" in act(shown, "fresh")
    act(shown, ("keep", {"i": 11}), "fresh")
    assert uppers(shown) == [60 + 2 * i for i in range(11)] + [84]


def test_two_pictures_are_mixed_from_where_the_mix_began(shown):
    assert "Two pictures are needed" in act(shown, ("mix", {"value": 0.5}))
    act(shown, ("mark", {"i": 10}), ("choose", {"i": 2}))
    for share, upper in ((0.5, 72), (1.0, 80), (0.25, 68), (0.0, 64)):
        act(shown, ("mix", {"value": share}))
        assert grey(shown.big)[0] == upper and shown.state["share"] == share
    act(shown, ("mix", {"value": 0.5}), "undo")
    assert grey(shown.big)[0] == 64 and shown.state["share"] == 0
    assert "from 0 to 1" in act(shown, ("mix", {"value": 1.5}))
    act(shown, ("mix", {"value": 0.5}), ("choose", {"i": 3}))
    assert shown.state["share"] == 0, "of another picture nothing is mixed yet"
    act(shown, ("choose", {"i": 10}))
    assert "Two pictures are needed" in act(shown, "walk"), "with itself"


def test_a_walk_is_shown_saved_and_gone_with_its_pictures(shown, files):
    act(shown, ("mark", {"i": 10}), "walk")
    walk = [grey(shown.frames, n)[0] for n in range(24)]
    assert walk[0] == 60 and walk[-1] == 80 and walk == sorted(walk)
    act(shown, "gif", view="this one")
    ((content, (data,)),) = files
    assert content == {"save": "stand-in-walk.gif", "type": "image/gif", "view": "this one"}
    assert data == b"GIF89a" + bytes(24)
    act(shown, ("keep", {"i": 3}))
    assert shown.frames, "they are the same two"
    act(shown, ("choose", {"i": 1}))
    assert not shown.frames


def test_the_style_of_one_on_the_content_of_another(shown, displayed):
    act(shown, ("mark", {"i": 7}), "restyle")
    assert grey(shown.big) == (60, 107)
    plain = studio(stand_in.Maker())
    act(plain, ("mark", {"i": 7}))
    assert "does not tell style from content" in act(plain, "restyle") and grey(plain.big) == (60, 100)


def test_the_settings_as_a_text_go_out_and_come_back(shown):
    act(shown, ("dial", {"name": "weight", "value": 0.5}), ("label", {"value": 1}))
    text, picture = shown.state["text"], shown.big
    assert len(text) < 200 and json.loads(text)
    act(shown, ("choose", {"i": 6}), ("read", {"text": text}))
    assert shown.big == picture and shown.error == ""


@pytest.mark.parametrize("text", ["", "{", "null", '{"model": "other", "picture": []}', 7, None])
def test_a_text_of_another_model_or_a_broken_one_is_refused_and_nothing_is_lost(text, shown):
    before = shown.state, shown.tiles
    said = act(shown, ("read", {"text": text}))
    assert ("made by the model 'other'" if "other" in str(text) else "no text of the studio") in said
    assert (shown.state, shown.tiles) == before


def test_a_picture_is_saved_with_the_day(shown, files):
    act(shown, ("choose", {"i": 4}), "png", view="mine")
    ((content, (data,)),) = files
    assert content == {"save": "stand-in.png", "type": "image/png", "view": "mine"}
    assert data == b"\x89PNG " + time.strftime("%Y-%m-%d").encode() + b"4"


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (("dial", {"name": "weight", "value": 1.01}), "from -1 to 1"),
        (("dial", {"name": "weight", "value": float("nan")}), "from -1 to 1"),
        (("dial", {"name": "weight", "value": "1"}), "from -1 to 1"),
        (("dial", {"name": "slant", "value": 0}), "There is no dial 'slant': weight, nothing"),
        (("label", {"value": 3}), "from 0 to 2"),
        (("label", {"value": True}), "from 0 to 2"),
        (("choose", {"i": 12}), "from 0 to 11"),
        (("keep", {"i": None}), "from 0 to 11"),
        (("lock", {"name": "seed"}), "nothing to lock"),
        (("pane", {"name": "draw"}), "no pane 'draw'"),
        (("own.stop", {}), "Nothing has been trained yet"),
        (("delete", {}), "'delete', which is not known here"),
        (("__class__", {}), "is not known here"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(do, words, shown):
    before = shown.state, shown.big, shown.tiles
    assert words in act(shown, do) and (shown.state, shown.big, shown.tiles) == before


def test_what_was_wrong_stays_while_the_page_asks_by_itself_how_far_a_training_is(shown):
    assert act(shown, "undo") == act(shown, "own.state") == "There is nothing to undo."
    assert act(shown, ("dial", {"name": "weight", "value": 0.5})) == ""


@pytest.mark.parametrize("content", [None, 7, {}, {"acts": []}, {"acts": "fresh", "id": {}}, {"acts": [7], "id": {}}])
def test_a_message_that_is_none_changes_nothing(content, shown):
    before = shown.tiles
    shown._handle_custom_msg(content, [])
    assert shown.tiles == before


def test_a_mistake_in_the_model_is_seen_and_the_page_goes_on(shown, monkeypatch):
    monkeypatch.setattr(shown.maker, "mix", lambda a, b, share: 1 / 0)
    act(shown, ("mark", {"i": 3}))
    assert act(shown, ("mix", {"value": 0.5})) == "ZeroDivisionError: division by zero"
    assert act(shown, ("dial", {"name": "weight", "value": 0.5})) == "" and grey(shown.big) == (80, 100)
    monkeypatch.setattr(shown.maker, "draw", lambda recipes: stand_in.torch.zeros(1, 1, 9, 9))
    assert "what the maker drew must be (1, 1, 8, 8)" in act(shown, ("dial", {"name": "weight", "value": 0.1}))
    assert grey(shown.big) == (80, 100)


def test_a_model_without_dials_and_classes(displayed):
    maker = stand_in.Maker(classes=())
    maker.dials = ()
    shown = studio(maker)
    assert "It has no dials" in shown.words and shown.fixed["dials"] == [] == shown.fixed["classes"]
    assert "this model has none" in act(shown, ("dial", {"name": "weight", "value": 0}))
    assert "knows no classes" in act(shown, ("label", {"value": 0})) and shown.state["titles"][0] == "picture 1"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"maker": "digits"}, "maker is str and lacks name"),
        ({"pads": [1]}, "must be a dict"),
        ({"pads": {"a": 7}}, "must be a dict"),
        ({"make": "digits"}, "make is str"),
    ],
)
def test_a_maker_or_pads_of_another_kind_are_refused_before_anything_is_shown(given, words, displayed):
    with pytest.raises(ValueError, match=words):
        studio(**{"maker": stand_in.Maker(), **given})
    assert not displayed


def test_the_past_has_an_end():
    desk = Desk(stand_in.Maker())
    for i in range(450):
        desk.keep(i % 12)
    assert len(desk.past) <= 200


# --------------------------------------------------------------------------------------------------------------- taste


def test_taste_is_asked_when_its_pane_is_opened_and_learns_from_picks(shown):
    assert shown.taste_state == {} and shown.offer == b""
    act(shown, ("pane", {"name": "taste"}))
    assert shown.pane == "taste" and len(shown.offer) == 2 * 64 and shown.taste_state["words"].startswith("Nothing")
    first = shown.offer
    act(shown, ("taste.pick", {"i": 1}))
    assert shown.taste_state["picks"] == 1 and shown.taste_state["sure"] == 0.1 and shown.offer != first
    assert shown.taste_state["rows"] == [["brightness", 0.8, 0.2, 1.4], ["width", -0.3, -0.9, 0.3]]
    liked = grey(first, 1)[0]
    assert grey(shown.near)[0] == liked, "the page that should please begins with what was picked"
    act(shown, ("taste.size", {"value": 4}))
    assert len(shown.offer) == 4 * 64 and shown.taste_state["n"] == 4
    act(shown, "taste.reset")
    assert shown.taste_state["picks"] == 0 and shown.taste_state["rows"] == []


def test_the_page_is_nearer_to_taste_or_more_varied_and_goes_to_the_desk(shown):
    act(shown, ("pane", {"name": "taste"}), ("taste.varied", {"value": 0.0}))
    near = shown.taste_state["diversity"]
    act(shown, ("taste.varied", {"value": 1.0}))
    assert shown.taste_state["diversity"] == pytest.approx(44 / 40) and near == pytest.approx(11 / 40)
    act(shown, ("keep", {"i": 0}), "taste.take")
    assert uppers(shown) == [60, *(60 + 2 * 4 * i for i in range(11))]
    act(shown, "undo")
    assert uppers(shown) == [60 + 2 * i for i in range(12)]
    for value in (-0.1, 1.1, None):
        assert "from 0 to 1" in act(shown, ("taste.varied", {"value": value}))
    assert "choose 2 or 4" in act(shown, ("taste.size", {"value": 3}))
    assert "from 0 to 1" in act(shown, ("taste.pick", {"i": 2}))


# ---------------------------------------------------------------------------------------------------------------- pads


def test_pads_are_built_when_their_pane_is_opened(displayed):
    from ganedu.widgets import Sketch

    built = []

    def pad():
        built.append(1)
        return Sketch(lambda ink: 2 * ink - 1, {})

    shown = studio(stand_in.Maker(), pads={"an outline": pad})
    box = shown.widget.children[1]
    assert not built and box.layout.display == "none" and not shown.pads_ready
    act(shown, ("pane", {"name": "draw"}))
    assert built == [1] and box.layout.display == "flex" and shown.pads_ready
    heading, _ = box.children
    assert "an outline" in heading.value
    act(shown, ("pane", {"name": "make"}), ("pane", {"name": "draw"}))
    assert built == [1]
    act(shown, ("pane", {"name": "make"}))
    assert box.layout.display == "none"


# -------------------------------------------------------------------------------------------------------- own pictures


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Own(stand_in.OwnPictures())


def done(own):
    own._thread.join(5)
    return own.state()[0]


def test_a_folder_is_looked_at_trained_on_stopped_and_gone_on_with(own):
    assert own.state() == ({**own.state()[0], "begun": False, "looked": ""}, b"")
    with pytest.raises(ValueError, match="Look at a folder first"):
        own.start(1)
    with pytest.raises(ValueError, match="Look at a folder first"):
        own.again()
    own.look(' "cats" ')
    assert done(own)["looked"].startswith("412 pictures read") and own.state()[0]["before"] == ""
    own.start(5)
    state = done(own)
    assert state["begun"] and state["running"] and state["limit"] == 300 and own.run.out.as_posix() == "runs/cats"
    state, pixels = own.state()
    assert state["shape"] == [16, 8, 8, 1] and len(pixels) == 16 * 64 and state["history"][0] == [50, 2, 1.8, 2.2]
    assert "Distance to the held-out pictures" in state["number"] and state["advice"].startswith("Go on")
    for do, given in (("start", {"minutes": 1}), ("again", {})):
        with pytest.raises(ValueError, match="runs already"):
            own.acts()[do](given)
    own.acts()["stop"]({})
    assert not done(own)["running"] and own.run.calls == ["stop"] and own.state()[0]["said"].startswith("stopped")
    assert own.state()[0]["said"] == "stopped after step 50; all of it is kept."
    own.acts()["resume"]({})
    assert done(own)["running"] and own.run.calls == ["stop", "resume"]
    own.acts()["doctor"]({})
    assert done(own)["doctor"] == "healthy"
    own.acts()["report"]({})
    assert done(own)["report"] == "report.html"
    own.acts()["resume"]({})
    state = done(own)
    assert state["report"] == state["doctor"] == "", "they were of what was there before"


def test_a_training_that_has_reached_its_limit_goes_on_for_as_long_as_is_chosen(own):
    own.look("cats")
    done(own)
    own.start(1)
    done(own)
    own.run.step, own.run.running = 600, False  # 60 s
    with pytest.raises(ValueError, match="choose 1, 5, 15, 60 minutes"):
        own.acts()["resume"]({})
    own.acts()["resume"]({"minutes": 5})
    assert done(own)["running"] and own.run.limit == 360


def test_a_run_gets_a_folder_of_its_own_and_an_earlier_one_is_opened_again(own, tmp_path):
    from ganedu.checkpoints import CHECKPOINT

    for name in ("cats", "cats-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / CHECKPOINT).touch()
    own.look("cats")
    assert done(own)["before"].replace("\\", "/") == "runs/cats-2"
    own.acts()["again"]({})
    state = done(own)
    assert own.run.out.name == "cats-2" and state["begun"] and not state["running"] and state["step"] == 150
    own.start(1)
    done(own)
    assert own.run.out.name == "cats-3"


def test_what_takes_long_is_said_to_be_busy_and_one_thing_at_a_time(own):
    own.look("slow")
    assert own.state()[0]["busy"] == "Looking at the folder" and own.state()[0]["looked"] == ""
    with pytest.raises(ValueError, match=r"Looking at the folder \.\.\.: wait"):
        own.look("cats")
    assert done(own)["busy"] == "" and own.state()[0]["looked"]


@pytest.mark.parametrize("folder", ["", "   ", None, 7, "x" * 2000])
def test_no_folder_is_no_look(folder, own):
    with pytest.raises(ValueError, match="Write the name of the folder"):
        own.look(folder)


def test_what_is_wrong_with_a_folder_is_said_and_the_last_look_is_not_taken_for_it(own):
    own.look("cats")
    done(own)
    own.look("empty")
    state = done(own)
    assert state["error"] == "no pictures in empty: give a folder with 400 or more." and state["looked"] == ""
    with pytest.raises(ValueError, match="choose 1, 5, 15, 60 minutes"):
        own.found = 1
        own.start(2)


def test_the_model_of_ones_own_pictures_comes_to_the_desk(displayed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = []
    shown = studio(stand_in.Maker(), own=stand_in.OwnPictures(), make=lambda f: opened.append(f) or stand_in.Maker(()))
    act(shown, ("own.look", {"folder": "cats"}))
    act(shown, ("own.start", {"minutes": 1}), ("pane", {"name": "own"}))
    assert shown.own_state["begun"] and shown.fixed["opens"] and len(shown.samples) == 16 * 64
    act(shown, ("keep", {"i": 2}), "own.open")
    assert opened[0].as_posix() == "runs/cats" and shown.pane == "make" and shown.fixed["classes"] == []
    assert shown.state["kept"] == [] and grey(shown.big) == (60, 100)
    act(shown, ("desk", {"i": 0}))
    assert shown.state["kept"] == [2] and shown.fixed["classes"] and shown.fixed["others"] == [[1, "stand-in"]]
    act(shown, ("desk", {"i": 1}))
    assert shown.state["kept"] == [] and shown.fixed["classes"] == [] and len(shown.desks) == 2
    act(shown, ("desk", {"i": 2}))
    assert "the page's number" in shown.error


def test_of_too_many_acts_at_once_the_page_says_how_many_were_done(displayed):
    shown = studio(stand_in.Maker())
    act(shown, *[("dial", {"name": "weight", "value": k / 70}) for k in range(70)])
    assert shown.error == "70 things were asked for at once, of which 64 are done: do the others again."
    assert shown.state["dials"]["weight"] == 63 / 70
