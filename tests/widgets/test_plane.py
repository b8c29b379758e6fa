"""Oracles: paths and arrows written down by hand, and the bytes that the page gets."""

import base64
import sys

import numpy as np
import pytest
import torch

from ganedu.widgets import Plane, pictures, plane


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, "display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    return shown


def turn(points, h=0.5):
    """Everything turns round the middle."""
    return h * torch.stack([points[:, 1], -points[:, 0]], dim=1)


def walk(start, h=0.5):
    """Three steps to the right."""
    return start + h * torch.tensor([[0.0, 0], [1, 0], [2, 0], [3, 0]])


def shown_path(shown) -> list:
    return np.frombuffer(shown.points, "<f4").reshape(-1, 2).tolist()


def drag(shown, to, n=1) -> None:
    shown._handle_custom_msg({"start": to, "id": {"view": "v", "n": n}}, [])


def test_a_page_without_kernel_gets_a_picture_and_its_text(displayed):
    shown = plane(
        turn, walk, alt="Round and round.", says=lambda path, h: f"{len(path) - 1} steps of {h}", h=(0.1, 0.9)
    )
    ((bundle, metadata),) = displayed
    assert isinstance(shown, Plane) and bundle[pictures.WIDGET]["model_id"] == shown.widget.model_id
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == "Round and round. 3 steps of 0.1"
    assert shown.widget.children[0].children == (shown.controls["h"],) and shown.widget.children[1] is shown


def test_a_start_dragged_is_answered_with_its_path_and_not_with_the_field_again(displayed):
    fields = []
    shown = plane(lambda points: fields.append(points) or turn(points), walk, start=(-1, 1))
    assert shown_path(shown) == [[-1, 1], [-0.5, 1], [0, 1], [0.5, 1]]
    drag(shown, [-1.5, 0.25], n=7)
    assert shown_path(shown) == [[-1.5, 0.25], [-1, 0.25], [-0.5, 0.25], [0, 0.25]]
    assert shown.start == [-1.5, 0.25] and shown.answer == {"view": "v", "n": 7}
    assert len(fields) == 1


def test_a_moved_slider_changes_arrows_and_path(displayed):
    shown = plane(turn, walk, start=(-1, 1), h=(0.0, 1.0, 0.25, 0.5))
    before = np.frombuffer(shown.arrows, "<f4").reshape(225, 4)
    shown.controls["h"].value = 0.25
    after = np.frombuffer(shown.arrows, "<f4").reshape(225, 4)
    assert shown_path(shown) == [[-1, 1], [-0.75, 1], [-0.5, 1], [-0.25, 1]]
    moved = ~(before[:, 2:] == 0).all(1)
    assert (np.linalg.norm(after[moved, 2:], axis=1) < np.linalg.norm(before[moved, 2:], axis=1)).all()
    assert (before[:, :2] == after[:, :2]).all() and moved.sum() == 224


def test_arrows_are_compressed_and_none_is_as_long_as_a_cell(displayed):
    shown = plane(lambda points: 1000 * points, walk, limit=3.0)
    arrows = np.frombuffer(shown.arrows, "<f4").reshape(225, 4)
    length, cell = np.linalg.norm(arrows[:, 2:], axis=1), 6 / 15
    assert 0.99 * cell < length.max() <= cell
    np.testing.assert_allclose(arrows[0, :2], [-3 + cell / 2] * 2, rtol=1e-6)
    shown = plane(lambda points: torch.full((225, 2), 0.3), walk, limit=3.0)
    arrows, long = np.frombuffer(shown.arrows, "<f4").reshape(225, 4), 0.3 * 2**0.5
    np.testing.assert_allclose(np.linalg.norm(arrows[:, 2:], axis=1), 2 * cell * long / (1 + 2 * long), rtol=1e-5)


@pytest.mark.parametrize("after", [(5.0, 1.0), (1e30, 1.0), (2.1, 1.0)])
def test_a_path_ends_at_the_border(after, displayed):
    shown = plane(turn, lambda start: torch.tensor([[1.0, 1], [1.5, 1], [*after], [0, 0]]))
    *inside, (x, y) = shown_path(shown)
    assert inside == [[1, 1], [1.5, 1]] and 2 < x <= 10 and y == 1


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_drawn(wrong, displayed):
    shown = plane(lambda points: turn(points) / (points[:, :1] > 0), lambda start: torch.tensor([[1.0, 1], [wrong, 1]]))
    assert shown_path(shown) == [[1, 1]]
    arrows = np.frombuffer(shown.arrows, "<f4").reshape(-1, 4)
    assert len(arrows) == 7 * 15 and np.isfinite(arrows).all()
    assert shown_path(plane(turn, lambda start: torch.tensor([[wrong, 1.0], [0, 0]]))) == []


def test_a_start_on_the_border_is_in_the_picture(displayed):
    assert len(shown_path(plane(turn, lambda start: walk(-start, 0.01), start=(0.3, -0.3), limit=0.3))) == 4


def test_a_mistake_is_said_and_the_widget_lives_on(displayed):
    def says(path, h):
        return "well" if path[0, 0] < 1 else None + 1

    def field(points, h):
        if h > 0.8:
            raise ZeroDivisionError("no field")
        return turn(points)

    shown = plane(field, walk, says=says, h=(0.0, 1.0, 0.1, 0.5))
    assert shown.text.startswith("TypeError: unsupported operand")
    drag(shown, [0.5, 0])
    assert shown.text == "well"
    shown.controls["h"].value = 0.9
    assert shown.text == "ZeroDivisionError: no field" and shown.arrows == shown.points == b""
    drag(shown, [0, 0], n=2)
    assert shown.text == "ZeroDivisionError: no field" and shown.answer["n"] == 2, "it is answered, and said again"
    shown.controls["h"].value = 0.5
    assert shown.text == "well" and len(shown.arrows) == 225 * 4 * 4
    shown.path = lambda start, h: start
    drag(shown, [0.5, 0.5], n=3)
    assert shown.text.startswith("WrongShape: path gave a tensor (2,)") and shown.points == b""


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"start": (1.0,)}, r"start=\(1.0,\): give two numbers from -2.0 to 2.0"),
        ({"start": (1.0, float("nan"))}, "start="),
        ({"start": "ab"}, "start='ab'"),
        ({"start": 1}, "start=1"),
        ({"start": (3.0, 0.0)}, "give two numbers from -2.0 to 2.0"),
        ({"limit": 0}, "limit=0: give a number above 0"),
        ({"limit": float("inf")}, "limit=inf"),
        ({"limit": True}, "limit=True"),
        ({"limit": 10**400}, "limit=1000.*: give a number above 0, up to a million"),
        ({"limit": 1e300}, "limit=1e\\+300"),
        ({"start": "12"}, "start='12'"),
        ({"start": (10**400, 0)}, "give two numbers from"),
        ({"labels": None}, "labels=None: give two texts"),
        ({"labels": ("theta",)}, "give two texts"),
        ({"labels": (1, 2)}, "give two texts"),
        ({"alt": 5}, "alt is int: give a text"),
        ({"field": None}, "field is NoneType: give a function of points"),
        ({"path": "path"}, "path is str: give a function of a start"),
        ({"says": "words"}, "says is str: give a function of the path"),
        ({"limit": "2"}, "limit='2'"),
        ({"field": lambda points: points[:, 0]}, r"field gave a tensor \(225,\): .* \(225, 2\), an arrow"),
        ({"field": lambda points: None}, "field gave NoneType"),
        ({"path": lambda start: start}, r"path gave a tensor \(2,\): .* \(T \+ 1, 2\)"),
        ({"path": lambda start: torch.zeros(0, 2)}, r"path gave a tensor \(0, 2\)"),
        ({"h": "fast"}, "h='fast' is no control"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_shown(wrong, message, displayed):
    with pytest.raises(ValueError, match=message):
        plane(**{"field": turn, "path": walk, **wrong})
    assert displayed == []


@pytest.mark.parametrize(
    "message",
    [None, 5, [], {}, {"start": [0, 0]}, {"id": 5, "start": [0, 0]}, {"id": {"n": 1}}, {"id": {"n": 1}, "start": "ab"},
     {"id": {"n": 1}, "start": [9, 9]}, {"id": {"n": 1}, "start": [float("nan"), 0]}],
)  # fmt: skip
def test_a_page_of_another_version_moves_nothing_and_the_widget_lives_on(message, displayed):
    shown = plane(turn, walk, start=(0.5, 1))
    shown._handle_custom_msg(message, [])
    assert shown.start == [0.5, 1] and shown_path(shown)[0] == [0.5, 1]
    drag(shown, [0.25, 0], n=2)
    assert shown.start == [0.25, 0] and shown.answer["n"] == 2 and shown.text == ""


def test_a_function_that_ends_the_process_is_a_mistake_like_others(displayed):
    assert plane(lambda points: sys.exit(3), walk).text == "SystemExit: 3"


def test_by_its_name_it_comes_with_its_controls(displayed):
    shown = plane(turn, walk)
    assert shown.widget.model_id in str(shown._repr_mimebundle_())
