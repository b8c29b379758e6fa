"""What `ganedu.widgets` hands on: under its own name the widget, not the module of the same name; and at its cost."""

import subprocess
import sys

import pytest

from ganedu import widgets

NAMES = ("clips", "image_map", "plane", "sketch")


def said_by(code: str) -> list[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("first", ["", "import ganedu.widgets.{0}; ", "from ganedu.widgets.{0} import np; "])
def test_a_name_is_the_function_whatever_is_imported_first(name, first):
    again = "import sys; from ganedu import widgets; print(widgets.{0} is {0} is sys.modules[{0}.__module__].{0})"
    code = first + "from ganedu.widgets import {0}; print(callable({0}), {0}.__module__); " + again
    assert said_by(code.format(name)) == ["True", f"ganedu.widgets.{name}", "True"]


def test_a_widget_and_its_function_share_their_module():
    for name, kind in zip(NAMES, (widgets.Clips, widgets.ImageMap, widgets.Plane, widgets.Sketch), strict=True):
        assert kind.__module__ == getattr(widgets, name).__module__ == f"ganedu.widgets.{name}"
    assert widgets.Playground.__module__ == "ganedu.widgets.playground.widget"


def test_all_names_are_there_and_no_others():
    assert all(hasattr(widgets, name) for name in widgets.__all__)
    with pytest.raises(AttributeError, match="no attribute 'canvas'"):
        widgets.canvas  # noqa: B018


def test_pictures_and_questions_cost_neither_torch_nor_anywidget():
    assert said_by("import sys, ganedu.widgets as w; print(w.show and {'torch', 'anywidget'} & set(sys.modules))") == [
        "set()"
    ]
