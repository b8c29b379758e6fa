"""The doctor: wiring faults by name, healthy runs left alone, and everything as it was found."""

import copy
import time
from functools import partial

import pytest
import torch
from small_runs import state, train, trainer
from torch import nn

from ganedu import __main__ as cli
from ganedu import checkpoints, losses, models
from ganedu.doctor import FINDINGS, Finding, Report, examine, patients
from ganedu.runs import recipes
from ganedu.steps import acgan_step
from ganedu.training import Trainer


def first(report) -> str:
    return report[0].key if report else "nothing"


# ------------------------------------------------------------------------------------------------- the patients


@pytest.mark.parametrize("key", [k for k, p in patients.PATIENTS.items() if "ring" in p.where])
def test_patients_on_the_ring_are_recognised(key):
    run = patients.patient(key, "ring", 0, 32).train(60)
    report = examine(**run.material())
    assert first(report) == patients.PATIENTS[key].finding, report
    assert report.healthy == (key == "D3")


@pytest.mark.parametrize("key", [k for k, p in patients.PATIENTS.items() if "digits" in p.where])
def test_patients_on_digits_are_recognised(key):
    run = patients.patient(key, "digits", 0, 4)
    if key != "A10":
        run.train(8)
    report = examine(**run.material())
    assert first(report) == patients.PATIENTS[key].finding, report


@pytest.mark.parametrize(
    ("where", "conditional", "steps"), [("ring", False, 1), ("ring", False, 300), ("digits", False, 8),
                                        ("shapes", True, 8)]
)  # fmt: skip
def test_healthy_runs_are_called_healthy(where, conditional, steps):
    run = patients.healthy(where, 7, 32 if where == "ring" else 4, conditional=conditional).train(steps)
    report = examine(**run.material())
    assert report.healthy, report
    assert "healthy" in str(report)


def test_every_patients_finding_is_in_the_table():
    assert {p.finding for p in patients.PATIENTS.values()} <= FINDINGS.keys()
    notebooks = {e.notebook for e in FINDINGS.values()}
    assert all(name[:2].isdigit() for name in notebooks)
    assert all(all(entry) for entry in FINDINGS.values())


# ------------------------------------------------------------------------------------ faults in somebody's own loop


def own_loop(*, detach=True, zero_G=True, zero_D=True, d_loss=losses.cross_entropy_d, g_loss=losses.non_saturating_g,
             after=lambda G, D: None):  # fmt: skip
    """Material with a step that holds its players, as in most notebooks."""
    torch.manual_seed(0)
    G, D = models.MLPGenerator(2, width=16), models.MLPDiscriminator(width=16)
    after(G, D)
    opt_G, opt_D = torch.optim.Adam(G.parameters(), 1e-3), torch.optim.Adam(D.parameters(), 1e-3)

    def step(x_real):
        x_fake = G(torch.randn(len(x_real), 2))
        loss_D = d_loss(D(x_real), D(x_fake.detach() if detach else x_fake))
        if zero_D:
            opt_D.zero_grad()
        loss_D.backward()
        opt_D.step()
        loss_G = g_loss(D(G(torch.randn(len(x_real), 2))), None)
        if zero_G:
            opt_G.zero_grad()
        loss_G.backward()
        opt_G.step()

    return {"G": G, "D": D, "step": step, "x_real": torch.randn(300, 2) * 0.3 + 2, "z_dim": 2}, (opt_G, opt_D)


def test_a_step_that_holds_its_players_is_put_back_as_it_was():
    material, (opt_G, opt_D) = own_loop()
    G, D = material["G"], material["D"]
    material["step"](material["x_real"])
    before = copy.deepcopy([G.state_dict(), D.state_dict()])
    grads = [p.grad.clone() for p in G.parameters()]
    moments = copy.deepcopy([opt_G.state_dict(), opt_D.state_dict()])
    report = examine(**material)
    assert str([opt_G.state_dict(), opt_D.state_dict()]) == str(moments)
    assert report.healthy, report
    for module, was in zip((G, D), before, strict=True):
        assert all(torch.equal(v, was[k]) for k, v in module.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(G.parameters(), grads, strict=True))


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        ({"detach": False, "zero_G": False}, "leftover_gradient"),
        ({"zero_D": False}, "leftover_gradient"),
        ({"d_loss": losses.wasserstein_d, "g_loss": losses.wasserstein_g}, "no_limit"),
        ({"g_loss": lambda d, _: -losses.wasserstein_g(d)}, "cooperation"),
    ],
)
def test_faults_of_a_step_that_holds_its_players(changed, finding):
    material, _ = own_loop(**changed)
    assert first(examine(**material)) == finding


@pytest.mark.parametrize("loss", losses.ALL, ids=lambda x: x.name)
def test_every_loss_of_the_course_has_its_signs_right(loss):
    """Least squares too, whose slope on fakes is 0 at a logit of 0."""
    material, _ = own_loop(d_loss=loss.d_loss, g_loss=lambda d, _: loss.g_loss(d, torch.zeros_like(d)))
    assert first(examine(**material)) in ("nothing", "d_winning", *["no_limit"] * (loss is losses.wasserstein))


def test_least_squares_with_a_target_in_the_middle_is_healthy():
    """D's targets -1 and 1, G's 0 (Mao et al. 2017, eq. 8)."""
    material, _ = own_loop(
        d_loss=lambda d, e: (d - 1).square().mean() + (e + 1).square().mean(), g_loss=lambda e, _: e.square().mean()
    )
    opt = torch.optim.Adam(material["D"].parameters(), 1e-2)
    for _ in range(30):
        loss = (material["D"](material["x_real"]) - 1).square().mean()
        loss = loss + (material["D"](material["G"](torch.randn(300, 2))) + 1).square().mean()
        opt.zero_grad(), loss.backward(), opt.step()
    assert examine(**material).healthy


def test_a_frozen_layer_is_no_fault():
    material, _ = own_loop(after=lambda G, D: G.requires_grad_(False).net[0].requires_grad_(True))
    assert examine(**material).healthy


def test_a_step_without_an_optimisers_step_updates_nobody():
    material, _ = own_loop()
    material["step"] = lambda x: None
    report = examine(**material)
    assert [f.key for f in report[:2]] == ["not_updated", "not_updated"]


# --------------------------------------------------------------------------------------- everything is left as found


def test_the_examined_run_is_left_as_found():
    run = patients.patient("C4", "digits", 1, 4).train(2)
    run.G.eval()
    for p in run.D.parameters():
        p.requires_grad_(False)
    run.D.head.weight.requires_grad_(True)
    before = copy.deepcopy([run.G.state_dict(), run.D.state_dict(), run.opt_G.state_dict()])
    grads = [None if p.grad is None else p.grad.clone() for p in run.D.parameters()]
    hooks = [len(m._forward_hooks) for m in (run.G, run.D)]
    torch.manual_seed(5)
    rng = torch.get_rng_state()
    examine(**run.material())
    after = [run.G.state_dict(), run.D.state_dict(), run.opt_G.state_dict()]
    assert torch.equal(torch.get_rng_state(), rng)
    assert str(after) == str(before)
    assert not run.G.training and run.D.training
    assert [p.requires_grad for p in run.D.parameters()].count(True) == 1
    assert all(a is b or torch.equal(a, b) for a, b in zip([p.grad for p in run.D.parameters()], grads, strict=True))
    assert hooks == [len(m._forward_hooks) for m in (run.G, run.D)]


def test_a_trainer_is_left_as_found_and_goes_on_to_the_same_numbers():
    run, other = (train(trainer("labelled"), 10) for _ in range(2))
    was = state(run)
    torch.manual_seed(3)
    rng = torch.get_rng_state()
    report = examine(run)
    assert torch.equal(torch.get_rng_state(), rng)
    assert state(run) == was
    assert state(train(run, 15)) == state(train(other, 15))
    assert "structure" not in report.skipped and "updates" not in report.skipped


@pytest.mark.parametrize("kind", ["points", "images", "labelled"])
def test_a_trainer_of_each_game_has_sound_wiring(kind):
    report = examine(train(trainer(kind), 6))
    allowed = {"no_structure"} if kind != "points" else set()  # small_runs draws its images at random
    assert {f.key for f in report if f.sick} == allowed, report


@pytest.mark.parametrize(
    ("g_loss", "finding"), [(losses.non_saturating_g, "nothing"), (lambda e, _: -losses.minimax_g(e), "cooperation")]
)
def test_an_auxiliary_classifier_is_no_fault_and_hides_none(g_loss, finding):
    images = patients._images("digits", 16)
    torch.manual_seed(0)
    G, D = models.build("cgan", image_size=16, z_dim=8, width=2, n_classes=10, condition="acgan")
    players = {"G": G, "D": D, "opt_G": torch.optim.Adam(G.parameters()), "opt_D": torch.optim.Adam(D.parameters())}
    loss = losses.non_saturating._replace(g_loss=g_loss)
    run = Trainer(partial(acgan_step, z_dim=8, loss=loss), players, images.sample_labelled, precision="no")
    report = examine(train(run, 4))
    assert "signs" not in report.skipped
    assert first([f for f in report if f.sick]) == finding, report


def test_of_several_outputs_the_first_is_the_logit():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.D = models.MLPDiscriminator(width=16)

        def forward(self, x):
            return self.D(x), x.sum(1)

    G, D = models.MLPGenerator(2, width=16), Two()
    players = {"G": G, "D": D, "opt_G": torch.optim.Adam(G.parameters()), "opt_D": torch.optim.Adam(D.parameters())}

    def step(x_real, *, G, D, opt_G, opt_D, sign):
        def first_output(x):
            return D(x)[0]

        parts = patients.Parts(g_goal=lambda _, x: sign * losses.non_saturating_g(first_output(x)))
        return patients.step(x_real, G=G, D=first_output, opt_G=opt_G, opt_D=opt_D, z_dim=2, parts=parts)

    for sign, finding in ((1, "nothing"), (-1, "cooperation")):
        report = examine(**players, step=partial(step, sign=sign), x_real=torch.randn(300, 2), z_dim=2)
        assert first(report) == finding, report
        assert report.case.d_real.shape == (256,)


# ----------------------------------------------------------------------------------------------------- partial material


def test_without_history_or_step_the_rest_is_examined():
    run = patients.healthy("digits", 0, 4).train(2)
    (x,) = run.batch()
    report = examine(G=run.G, D=run.D, x_real=x, z_dim=run.z_dim)
    assert report.healthy
    assert report.skipped["updates"] == "no step was given"
    assert "shape" not in report.skipped


def test_one_network_is_examined_alone():
    run = patients.patient("B2", "digits", 0, 4)
    report = examine(G=run.G, x_real=run.batch()[0], z_dim=run.z_dim)
    assert first(report) == "unbounded_output"
    assert "no D was given" in report.skipped["balance"]
    report = examine(D=run.D, x_real=run.batch()[0])
    assert "no G was given" in report.skipped["shape"]
    assert not examine().healthy and len(examine().skipped) > 10


def test_a_step_that_raises_is_said_and_the_rest_examined():
    def step(*batch, **players):
        raise RuntimeError("no luck")

    run = patients.healthy("ring", 0, 8)
    report = examine(**{**run.material(), "step": step})
    assert report.skipped["updates"] == "the step raises RuntimeError: no luck" and not report.healthy
    assert "balance" not in report.skipped


def test_a_trainer_without_data_is_examined_in_part():
    report = examine(trainer("images", data=None))
    assert not report.healthy and report.skipped["shape"] == "no x_real was given"


def test_a_network_that_cannot_be_copied_is_examined_and_put_back():
    run = patients.healthy("ring", 0, 8)
    run.G.held = run.G.net[0].weight * 1  # a tensor with a past cannot be copied
    before = [v.clone() for m in (run.G, run.D) for v in m.state_dict().values()]
    report = examine(**run.material())
    assert "shape" not in report.skipped and "signs" not in report.skipped, report
    after = [v for m in (run.G, run.D) for v in m.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert run.G.training and all(p.grad is None for p in run.G.parameters())


def test_networks_elsewhere_are_said():
    run = patients.healthy("ring", 0, 8)
    report = examine(**{**run.material(), "D": copy.deepcopy(run.D).to("meta")})
    assert "balance" in report.skipped or "updates" in report.skipped


def test_a_history_that_is_odd_does_no_harm():
    run = patients.healthy("ring", 0, 8)
    odd = {"loss_D": [1.0, float("nan")], "note": "text", "empty": [], "names": ["a"]}
    report = examine(**{**run.material(), "history": odd})
    assert first(report) == "not_finite"
    assert "record 2" in report[0].seen


# ------------------------------------------------------------------------------------------------------- the report


def test_the_report_ranks_and_prints():
    report = Report([Finding("d_winning", "a <b>"), Finding("collapse", "few")], {"signs": "no step & more"}, looks=9)
    assert [f.key for f in report] == ["collapse", "d_winning"] and not report.healthy
    text, page = str(report), report._repr_html_()
    assert text.startswith("sick") and "02_mode_collapse" in text and "not looked at: 1 of" in text
    assert "a &lt;b&gt;" in page and "no step &amp; more" in page and page.count("<div") == 2
    assert Report([Finding("d_winning", "seen")]).healthy and Report().healthy


def test_the_command_line_says_the_same(tmp_path, capsys):
    run = recipes.trainer(*recipes.prepare("dcgan", "digits", image_size=16, width=2))
    for _ in run.run(steps=4):
        pass
    run.save(tmp_path, recipes.prepare("dcgan", "digits", image_size=16, width=2)[0])
    assert cli.main(["doctor", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(examine(tmp_path))
    with torch.no_grad():
        run.modules["G"].net[0].weight.zero_()
    run.history["loss_D"] = [1.0] * run.step
    run.step = 300
    run.history = {k: [1.0] * 300 for k in run.history}
    run.save(tmp_path, recipes.prepare("dcgan", "digits", image_size=16, width=2)[0])
    assert cli.main(["doctor", str(tmp_path)]) == 1
    assert "collapse" in capsys.readouterr().out


def test_a_folder_that_cannot_be_examined_says_so(tmp_path, capsys):
    def refused(folder, *words):
        with pytest.raises((ValueError, FileNotFoundError)) as e:
            examine(folder)
        assert all(w in str(e.value) for w in (str(folder), *words)), e.value
        assert cli.main(["doctor", str(folder)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err == f"ganedu: {e.value}\n"

    refused(tmp_path / "nowhere", "no checkpoint in", "Train first")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        examine(tmp_path / "file")

    settings, images = recipes.prepare("dcgan", "digits", image_size=16, width=2)
    recipes.trainer(settings, images).save(tmp_path / "whole", settings)
    whole = (tmp_path / "whole" / checkpoints.CHECKPOINT).read_bytes()
    for name, data in (("cut", whole[: len(whole) // 2]), ("empty", b""), ("text", b"x" * 99), ("pickle", b"PK\3\4")):
        (tmp_path / name).mkdir()
        (tmp_path / name / checkpoints.CHECKPOINT).write_bytes(data)
        refused(tmp_path / name, "pickle" if name == "pickle" else "truncated, damaged")

    trainer("points").save(tmp_path / "points", {"game": "points"})
    refused(tmp_path / "points", "not of a run of `train`", "Trainer.load")
    trainer("images").save(tmp_path / "claims", settings)  # another network under the settings of a recipe
    refused(tmp_path / "claims", "of another")
    recipes.trainer(settings, images).save(tmp_path / "moved", {**settings, "data": str(tmp_path / "gone")})
    with pytest.raises((ValueError, FileNotFoundError), match="gone"):
        examine(tmp_path / "moved")
    assert cli.main(["doctor", str(tmp_path / "moved")]) == 2


@pytest.mark.parametrize(("where", "size"), [("digits", 28), ("shapes", 64)])
def test_an_examination_takes_seconds(where, size):
    run = patients.healthy(where, 0, 8, image_size=size)
    start = time.perf_counter()
    examine(**run.material())
    assert time.perf_counter() - start < 10
