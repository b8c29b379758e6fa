"""One's own pictures: what is read, when to stop, and a process that never outlives its holder."""

import json
import math
import os
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

from ganedu import metrics
from ganedu.checkpoints import CHECKPOINT
from ganedu.runs import recipes
from ganedu.topics import own_pictures as own


def save(folder, n, colour=False, start=0):
    """n pictures of noise upon a slope, of several sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = torch.Generator().manual_seed(start)
    for i in range(start, start + n):
        side = (18, 24, 40)[i % 3]
        x = 60 * torch.randn(side, side + i % 2, 3, generator=draw) + torch.linspace(60, 200, side)[:, None, None]
        x = x.clamp(0, 255).byte() if colour else x.mean(2).clamp(0, 255).byte()
        Image.fromarray(x.numpy()).save(folder / f"p{i:03}.png")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return save(tmp_path_factory.mktemp("mine") / "pictures", 210)


# ------------------------------------------------------------------------------------------------------ what is there


def test_what_was_read_and_skipped_is_said(tmp_path):
    folder = save(tmp_path / "p", 240)
    (folder / "broken.png").write_bytes(b"\x89PNG nothing more")
    (folder / "notes.txt").write_text("no picture")
    (folder / "twin.png").write_bytes((folder / "p000.png").read_bytes())
    found = own.look(folder, 16)
    assert (found.n, len(found.images.x), len(found.images.x_test)) == (241, 217, 24)
    assert found.images.x.shape[1:] == (1, 16, 16) and found.twins == 1 and found.leaked in (0, 1)
    assert found.examples.shape == (24, 1, 16, 16) and found.examples.abs().max() <= 1
    text = str(found)
    assert "241 pictures read, as grey squares of 16" in text and "1 broken image skipped: broken.png" in text
    assert "217 to train on, 24 held out" in text and "1 equal to another one" in text and "fewer than" not in text


def test_held_out_pictures_that_are_also_trained_on_are_counted(tmp_path):
    folder = save(tmp_path / "p", 40)
    for i in range(40):
        (folder / f"again{i:03}.png").write_bytes((folder / f"p{i:03}.png").read_bytes())
    found = own.look(folder, 16)
    train = {row.numpy().tobytes() for row in found.images.x.flatten(1)}
    assert found.twins == 40 and found.leaked == sum(
        r.numpy().tobytes() in train for r in found.images.x_test.flatten(1)
    )
    assert found.leaked > 0 and f"{found.leaked} of those held out are also trained on" in str(found)
    assert "fewer than 200" in str(found)


@pytest.mark.parametrize("n", [1, 12])
def test_a_handful_can_only_be_copied(tmp_path, n):
    with pytest.raises(ValueError, match=f"^{n} pictures? in .* can be read, and from so few a GAN learns to repeat"):
        own.look(save(tmp_path / "few", n))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("folder", ["", "  ", None, 3, "a\0b"])
def test_no_path_is_answered(folder):
    with pytest.raises(ValueError, match="give the path of a folder"):
        own.look(folder)


def test_a_folder_without_pictures_a_file_and_nothing_at_all(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    for i in range(30):
        (tmp_path / "bad" / f"{i}.jpg").write_bytes(b"nothing")
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="no image in"):
        own.look(tmp_path / "empty")
    with pytest.raises(ValueError, match="none of the 30 images"):
        own.look(tmp_path / "bad")
    for nowhere in (tmp_path / "nowhere", "~nobody-has-this-name/pictures"):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            own.look(nowhere)
    with pytest.raises(FileNotFoundError, match="is one file"):
        own.look(tmp_path / "a.png")


def test_a_whole_disk_is_refused_before_a_picture_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "MOST", 25)
    monkeypatch.setattr(own, "load", lambda *a: pytest.fail("it was read"))
    with pytest.raises(ValueError, match="holds more than 25 pictures"):
        own.look(save(tmp_path / "p", 26))
    for i in range(30):
        (tmp_path / "q" / str(i)).mkdir(parents=True)
    with pytest.raises(ValueError, match="holds more than 25 folders"):
        own.look(tmp_path / "q")


# -------------------------------------------------------------------------------------------- the number that says stop


def clouds(seed=0, n=300, m=40, f=6, shift=0.4):
    draw = torch.Generator().manual_seed(seed)
    fake, train, held_out = (torch.randn(k, f, generator=draw) for k in (n, 200, m))
    return fake + shift, train, held_out


def test_the_distance_is_the_energy_distance_pair_by_pair():
    fake, train, held_out = clouds(n=30, m=20)
    far = lambda a, b: math.dist(a.tolist(), b.tolist())  # noqa: E731
    across = [[far(a, b) for b in held_out] for a in fake]
    within = [sum(far(a, b) for a in x for b in x) / (len(x) * (len(x) - 1)) for x in (fake, held_out)]
    m = own.measure(fake, train, held_out, 7, 1.5)
    wanted = 2 * sum(map(sum, across)) / 600 - sum(within)
    assert abs(m.distance - wanted) < 1e-6 and (m.step, m.seconds) == (7, 1.5)
    assert all(abs(a - sum(col) / 30) < 1e-6 for a, col in zip(m.to_each, zip(*across, strict=True), strict=True))
    left_out = torch.tensor(
        [own.measure(torch.cat([fake[:i], fake[i + 1 :]]), train, held_out).distance for i in range(30)]
    )
    assert abs(m.error - float((29 * left_out.var(correction=0)).sqrt())) < 1e-5
    u = metrics.copying_u(fake, train, held_out)
    assert (m.further, m.z) == (u.auc, u.z)


def test_equal_clouds_are_at_distance_0_on_average():
    values = torch.tensor([own.measure(*clouds(seed, shift=0)).distance for seed in range(60)])
    assert abs(float(values.mean())) < 3 * float(values.std()) / 60**0.5
    assert own.measure(*clouds(shift=1)).distance > 5 * float(values.std())


def test_a_difference_is_told_with_the_error_that_it_has():
    """Over other held-out pictures and other fakes: `later`'s error is their spread, the level's spread is larger."""
    levels, differences, told = [], [], []
    for seed in range(80):
        fake, train, held_out = clouds(seed, shift=0.5)
        before, after = (
            own.measure(fake, train, held_out),
            own.measure(clouds(seed + 1000, shift=0.3)[0], train, held_out),
        )
        d, e = own.later(before, after)
        assert abs(d - (after.distance - before.distance)) < 1e-9
        levels.append(after.distance), differences.append(d), told.append(e)
    spread = float(torch.tensor(differences).std())
    assert 0.8 < sum(told) / len(told) / spread < 1.25
    assert own.later(before, before)[0] == 0


def test_measures_of_other_pictures_do_not_compare():
    fake, train, held_out = clouds()
    with pytest.raises(ValueError, match="40 and 30 held-out pictures"):
        own.later(own.measure(fake, train, held_out), own.measure(fake, train, held_out[:30]))
    with pytest.raises(ValueError, match="too few"):
        own.measure(fake, train, held_out[:5])


def run_of(*distances, z=0.0, error=0.01):
    return [own.Measure(100 * i, i, d, error, [d / 2] * 20, 0.5, z) for i, d in enumerate(distances, 1)]


@pytest.mark.parametrize(
    ("measures", "held_out", "words"),
    [
        (run_of(3, 2, 1), 44, "Too early"),
        (run_of(3, 2, 1, 0.5), 44, "Go on: distance 0.500 at step 400"),
        (run_of(3, 2, 1, 0.5), 12, "Only 12 pictures are held out"),
        (run_of(3, 0.5, 1, 1, 1), 44, "Stop: distance 1.000 at step 500, 0.500 at step 200. Since then it has ris"),
        (run_of(3, 2, 0.5, 2, 0.51), 44, "Go on"),  # one bad checkpoint is none
        (run_of(3, 0.5, 0.51, 0.51, 0.51), 44, "Stop: distance 0.510 at step 500, 0.500 at step 200. Half of the run"),
        (run_of(3, 2, 0.5, 0.51), 44, "Go on"),
        (run_of(3, 2, 1, 0.5, z=-3.5), 44, "Stop: copies"),
    ],
)  # fmt: skip
def test_the_advice(measures, held_out, words):
    assert own.advice(measures, held_out).startswith(words)


def test_the_newest_checkpoint_that_is_as_near_is_kept():
    assert own.as_near([], run_of(3)[0])
    measures = run_of(3, 1, 1.01, 1.2)
    assert own.as_near(measures[:2], measures[2]) and not own.as_near(measures[:3], measures[3])
    assert own.as_near(measures[:1], measures[3])


def test_a_run_that_repeats_its_training_pictures_is_stopped(pictures):
    found = own.look(pictures, 16)
    eye = own.eye(found.images.x)
    train, held_out = eye(found.images.x), eye(found.images.x_test)
    copies = train.repeat(5, 1) + 0.01 * torch.randn(5 * len(train), 32, generator=torch.Generator().manual_seed(0))
    assert own.advice([own.measure(copies, train, held_out, step) for step in range(1, 5)], 21).startswith(
        "Stop: copies"
    )
    assert abs(float(train.square().mean()) - 1) < 0.02 and train.shape == (189, 32)
    assert torch.allclose(eye(found.images.x), eye(found.images.x.div(127.5) - 1), atol=1e-4)
    with pytest.raises(ValueError, match="all these pictures are equal"):
        own.eye(found.images.x[:1].expand(20, -1, -1, -1))


# ------------------------------------------------------------------------------------------------------------ the run


def until(what, seconds=240):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def test_a_run_is_started_stopped_gone_on_with_and_reported(pictures, tmp_path):
    found, out = own.look(pictures, 16), tmp_path / "run"
    run = own.start(found, out, 600, width=2, seed=3)
    process = run._process
    try:
        with pytest.raises(ValueError, match="already training"):
            run.resume()
        until(lambda: run.state(wait=True).step)
        now = run.state()
        assert now.running and now.samples.shape == (24, 1, 16, 16) and {"loss_D", "loss_G"} <= now.losses.keys()
        assert now.advice.startswith("Too early") and 0 < now.progress < 1 and f"step {now.step:,}" in str(now)
    finally:
        run.stop()
    assert process.returncode == 130 and not run.running and "stopped after step" in run.state().said
    run.stop()  # nothing to stop
    at = run.state(wait=True)
    assert recipes.read_run(out)[1]["settings"]["seed"] == 3 and run.best == out / "best"
    with pytest.raises(ValueError, match="give more than that"):
        run.resume(at.seconds / 2)
    with pytest.raises(ValueError, match="already holds a run"):
        own.start(found, out)

    again = own.reopen(out)
    assert again.limit == 600, "what it was given, so that it can be gone on with"
    assert again.state().measures == at.measures and torch.equal(again.state().samples, at.samples)
    again.resume(at.seconds + 1)
    until(lambda: not again.running)
    end = again.state(wait=True)
    assert end.step > at.step and end.seconds >= at.seconds + 1 and "kept in" in end.said
    assert end.measures[-1].step == end.step and len({m.step for m in end.measures}) == len(end.measures)
    again._word = "healthy <really>"
    page = again.report().read_text(encoding="utf-8")
    card = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert "healthy &lt;really&gt;" in page and page.count("data:image/png") == 2 and "<script" not in page
    assert card["generated"] is True and card["pictures"] == 210 and card["quality"]["held_out"] == 21
    assert card["steps"] in [m.step for m in end.measures]


def test_the_process_ends_with_the_one_that_holds_it(pictures, tmp_path):
    code = (
        "import os, sys\nfrom ganedu.topics import own_pictures as own\n"
        "run = own.start(sys.argv[1], sys.argv[2], 600, image_size=16, width=2)\nprint(run._process.pid, flush=True)\n"
        "while not run._new(): pass\nos.kill(os.getpid(), 9)"
    )
    holder = subprocess.run([sys.executable, "-c", code, pictures, tmp_path / "run"], capture_output=True, text=True)
    pid = int(holder.stdout)

    def gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with open(f"/proc/{pid}/stat") as f:  # taken off the list by whoever inherits it
            return f.read().rpartition(")")[2].split()[0] == "Z"

    until(gone, 60)
    assert own.reopen(tmp_path / "run").state().step >= 0


def test_what_cannot_be_started_is_not(pictures, tmp_path):
    for wrong in (0, -1, math.nan, "60", True, None):
        with pytest.raises(ValueError, match="seconds="):
            own.start(pictures, tmp_path / "run", wrong)
    with pytest.raises(ValueError, match="lies among the pictures"):
        own.start(pictures, pictures / "run")
    with pytest.raises(ValueError, match="width="):
        own.start(pictures, tmp_path / "run", width=0)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        own.reopen(tmp_path / "run")
    assert not (tmp_path / "run").exists() and not (pictures / "run").exists()


def test_what_the_command_says_when_it_fails_is_handed_on(pictures, tmp_path):
    (tmp_path / "file").write_text("in the way")
    run = own.start(own.look(pictures, 16), tmp_path / "file" / "run", 5)
    until(lambda: not run.running)
    assert "Not a directory" in run.state().said and run.state().step == 0
    with pytest.raises(ValueError, match="no checkpoint in"):
        run.card()


def test_a_damaged_checkpoint_is_said_and_nothing_falls(pictures, tmp_path):
    run = own.Run(own.look(pictures, 16), tmp_path / "run", 60)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / CHECKPOINT).write_bytes(b"half of it")
    assert "cannot be read" in run.state(wait=True).said and run.state().samples is None
