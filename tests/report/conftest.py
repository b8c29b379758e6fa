"""Runs that several tests judge."""

import pytest
from small_report import ODD, TINY, N

from ganedu import data
from ganedu.__main__ import main
from ganedu.report import summary


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    assert main(["train", "cgan", *TINY, "--out", str(folder / "cgan")]) == 0
    assert main(["train", "dcgan", *TINY, "--out", str(folder / ODD)]) == 0
    return folder


@pytest.fixture(scope="session")
def digits():
    return data.load("digits", image_size=16)


@pytest.fixture(scope="session")
def same(runs, digits):
    """The summary of a run whose fakes are all one image."""
    image = data.to_float(digits.x[:1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(summary, "generate", lambda G, n, labels, seed: image.repeat(n, 1, 1, 1))
        return summary.summary([runs / "cgan"], N)
