"""Drawings of a report, where there is little to draw."""

import math
from dataclasses import replace

import matplotlib.pyplot as plt

from ganedu import metrics
from ganedu.report import figures


def test_drawings_say_when_there_is_nothing_to_draw(same):
    nothing = replace(same, runs=[replace(same.runs[0], history={}, accuracy=[])])
    assert figures.curves(nothing) is None
    assert figures.classes(nothing) is None
    for fig, alt in (figures.samples(nothing), figures.logits(nothing)):
        assert len(alt) > 40
        plt.close(fig)


def test_a_class_without_a_figure_is_not_the_lowest():
    values = [metrics.Estimate(v) for v in (0.5, math.nan, 0.3)]
    assert figures.lowest(values) == 2 and figures.lowest([metrics.Estimate(math.nan)]) is None
