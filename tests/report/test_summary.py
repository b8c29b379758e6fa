"""The numbers of a report, part by part."""

import json
import math

import pytest
import torch
from PIL import Image
from small_report import TINY, N

from ganedu import data
from ganedu.__main__ import main
from ganedu.report import figures, summary


def test_labels_are_as_frequent_as_in_training(digits):
    skewed = data.Images("skewed", digits.x[:100], torch.tensor([0] * 80 + [1] * 20), digits.x_test[:10],
                         torch.zeros(10, dtype=torch.int64), ("a", "b"))  # fmt: skip
    labels = summary.fake_labels({"class_names": ["a", "b"]}, skewed, 5000)
    assert float((labels == 1).float().mean()) == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / 5000))
    assert summary.fake_labels({"class_names": []}, skewed, 5) is None


def test_the_nearest_training_image_over_all_pieces(digits):
    x = data.to_float(digits.x_test[:20])
    brute = torch.cdist(x.flatten(1).double(), data.to_float(digits.x[:1000]).flatten(1).double()).argmin(1)
    for piece in (1000, 300, 7):
        assert torch.equal(summary.nearest_images(x, digits.x[:1000], piece), brute)
    copies = data.to_float(digits.x[[5, 999, 0]])
    assert summary.nearest_images(copies, digits.x[:1000], 300).tolist() == [5, 999, 0]


def test_without_classes_the_eyes_are_principal_components(digits):
    plain = data.Images("plain", digits.x[:2000], torch.zeros(2000, dtype=torch.int64), digits.x_test,
                        torch.zeros(1000, dtype=torch.int64))  # fmt: skip
    judge = summary.make_judge(plain)
    assert (judge.name, judge.net, judge.accuracy) == ("principal components", None, None)
    x = data.to_float(plain.x).flatten(1).double()
    largest = torch.linalg.svdvals(x - x.mean(0))[:64].square().sum()
    assert float(judge.look(plain.x).double().square().sum()) == pytest.approx(float(largest), rel=1e-2)
    assert torch.allclose(judge.look(plain.x[:7]), judge.look(data.to_float(plain.x[:7])), atol=1e-4)


def test_a_folder_of_images_without_classes(tmp_path, digits):
    (tmp_path / "pictures").mkdir()
    for i, x in enumerate(torch.cat([digits.x, digits.x_test])[:2700, 0]):
        Image.fromarray(x.numpy()).save(tmp_path / "pictures" / f"{i}.png")
    run = tmp_path / "run"
    assert main(["train", "dcgan", *TINY, "--data", str(tmp_path / "pictures"), "--out", str(run)]) == 0
    found = summary.summary([run], N)
    written = summary.as_json(found)
    assert written["runs"]["run"].keys() == summary.MEASURES.keys() - {"inception_score"}
    assert written["judge"]["accuracy"] is None and written["classes"] == {}
    json.dumps(written, allow_nan=False)


def test_fakes_that_are_all_the_same_are_reported_and_not_measured(same):
    written = summary.as_json(same)
    assert written["runs"] == {"cgan": {}} and "fakes are the same" in written["not_measured"]["cgan"]
    assert same.runs[0].in_pixels.tolist() == [0] * summary.SHOWN == same.runs[0].in_features.tolist()
    assert "recall" in figures.classes(same)[1]
    json.dumps(written, allow_nan=False)
