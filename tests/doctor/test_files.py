"""Somebody's own script or notebook: it is run, its players are found, what is wrong is said; nothing is guessed."""

import argparse
import ast
import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from textwrap import indent

import nbformat
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ganedu.__main__ import main, parser
from ganedu.doctor import files, names
from ganedu.doctor.files import Part, Run, beside, examine_file, examined, no_step
from ganedu.doctor.names import Found, Unclear, fitted, search

SETUP = """
import torch
from torch import nn
torch.manual_seed(0)
netG = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
netD = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1))
optimizerG, optimizerD = (torch.optim.Adam(net.parameters(), 1e-3) for net in (netG, netD))
bce, nz = nn.BCEWithLogitsLoss(), 8

def circle(n):
    angle = torch.rand(n) * 6.283
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)
"""
TURN = """\
fake = netG(torch.randn(len(real), nz))
optimizerD.zero_grad()
d, f = netD(real), netD(fake.detach())
(bce(d, torch.ones_like(d)) + bce(f, torch.zeros_like(f))).backward()
optimizerD.step()
optimizerG.zero_grad()
f = netD(fake)
bce(f, torch.ones_like(f)).backward()
optimizerG.step()
"""
STEP = "\ndef train_step(real):\n" + indent(TURN, " " * 4)
LOOP = """
for i in range(30):
    real = circle(64)
    train_step(real)
"""
BARE = f"\ndef main():\n    for i in range(30):\n        real = circle(64)\n{indent(TURN, ' ' * 8)}\nmain()\n"
SICK = STEP.replace("    optimizerD.zero_grad()\n", "")
HEALTHY = SETUP + STEP + LOOP


def notebook(path: Path, *cells: str, language: str = "python") -> Path:
    nb = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# My GAN"), *map(nbformat.v4.new_code_cell, cells)]
    )
    nb.metadata["kernelspec"] = {"name": "any", "display_name": "any", "language": language}
    nbformat.write(nb, path)
    return path


def script(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a file's code in this process, and puts back what it changes there."""
    monkeypatch.setattr(sys, "argv", ["here"])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])

    def go(text: str, seconds: float = 60.0, give_up=lambda: None):
        return Run(tmp_path / "gan.py").go([Part(text, "")], seconds, give_up), [Part(text, "")]

    return go


# -------------------------------------------------------------------------------------- whole files, from the command


def test_a_healthy_script_is_run_beside_its_data_and_nothing_is_written_there(tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    np.save(folder / "circle.npy", np.ones(3))
    np.save(tmp_path / "more.npy", np.ones(4))
    (folder / "helpers.py").write_text("START = 7\n")
    (folder / "netG.pth").write_text("trained for days")
    uses = """
import sys
import matplotlib
matplotlib.use("TkAgg")
import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm
from helpers import START
assert np.load("circle.npy").sum() == 3 and np.load("../more.npy").sum() == 4 and START == 7
assert sys.argv == [__file__] and __name__ == "__main__"
for i in tqdm(range(3)):
    print("é", flush=True)
plt.plot([1, 2])
plt.show()
torch.save(netG.state_dict(), "netG.pth")
open("new.txt", "w").write("new")
netG.eval()
sys.exit()
"""
    path = script(folder / "gan.py", HEALTHY + uses)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert main(["doctor", str(path)]) == 0
    said = capsys.readouterr()
    assert "gan.py ran to its end" in said.out and "\nhealthy: nothing found" in said.out
    assert "G = netG, D = netD" in said.out and "step = train_step, x_real = real (64, 2)" in said.out
    assert f"running the code of {path}" in said.err and "é" not in said.out
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before


def test_a_sick_notebook_that_fails_half_way_says_both(tmp_path, capsys):
    first = "%matplotlib inline\n!pip install no-such-package\nfrom tqdm.auto import tqdm"
    cells = (first, "%%time\n" + SETUP, SICK, LOOP.replace("range", "tqdm(range").replace("30)", "30))"))
    path = notebook(tmp_path / "gan.ipynb", *cells, "display(1)\nx = input('a number')", "netG = None")
    assert main(["doctor", str(path)]) == 1
    out = capsys.readouterr().out
    assert "by EOFError" in out and "in cell In[5], line 2: x = input('a number')" in out
    assert "\nsick: most likely cause first\n! A gradient is added to an older one [leftover_gradient]" in out


@pytest.mark.slow
def test_a_loop_that_would_go_on_for_ever_is_stopped_and_examined(tmp_path, capsys):
    path = script(tmp_path / "gan.py", SETUP + BARE.replace("for i in range(30)", "while True"))
    assert main(["doctor", str(path), "--seconds", "5"]) == 0
    out = capsys.readouterr().out
    assert " s, as --seconds allows\n    in line " in out and "\nhealthy: " in out
    n = SETUP.count("\n") + 4  # the line that makes the batch
    assert (
        f"def step(real):\n        ...  # lines {n + 1} to {n + 9}\n    while True:\n        ...  # line {n}\n" in out
    )


@pytest.mark.slow
def test_code_that_ends_its_process_is_a_run_that_failed(tmp_path, capsys):
    assert main(["doctor", str(script(tmp_path / "gan.py", "import os; os._exit(7)"))]) == 1
    assert "ended (status 7) before it could be examined" in capsys.readouterr().err


@pytest.mark.slow
def test_a_choice_without_a_value_is_an_error_that_names_it(tmp_path, capsys):
    assert main(["doctor", str(script(tmp_path / "gan.py", HEALTHY)), "--G", "netQ"]) == 2
    assert "G 'netQ' has no value when the code has ended, NameError" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------- refused before any work


@pytest.fixture
def nothing_runs(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("it was run")

    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("nowhere.py", None, "there is no file"),
        ("nowhere.ipynb", None, "there is no file"),
        ("notes.txt", "x = 1", "a script (.py) or a notebook (.ipynb)"),
        ("gan.py", "x = 1\nfor i in range(3)\n", "is no Python, line 2"),
        ("gan.py", "  \n", "holds no code"),
        ("gan.py", "x = '\0'", "is no Python"),
        ("gan.ipynb", "{}", "damaged, or no notebook"),
        ("gan.ipynb", "not json", "damaged, or no notebook"),
    ],
)
def test_a_file_without_code_is_refused(name, text, hint, tmp_path, capsys, nothing_runs):
    if text is not None:
        (tmp_path / name).write_text(text)
    assert main(["doctor", str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("ganedu: ") and hint in err and name in err


def test_a_notebook_of_another_language_or_without_code_is_refused(tmp_path, nothing_runs):
    with pytest.raises(ValueError, match="written in R"):
        examine_file(notebook(tmp_path / "gan.ipynb", "x <- 1", language="R"))
    with pytest.raises(ValueError, match="holds no code"):
        examine_file(notebook(tmp_path / "empty.ipynb", "", "  "))


def test_choices_are_expressions_for_a_file_alone(tmp_path, capsys, nothing_runs):
    path = script(tmp_path / "gan.py", HEALTHY)
    assert main(["doctor", str(path), "--step", "lambda x"]) == 2
    assert "step 'lambda x' is no expression" in capsys.readouterr().err
    assert main(["doctor", str(tmp_path), "--G", "netG"]) == 2
    assert "leave --G out" in capsys.readouterr().err
    assert main(["doctor"]) == 2 and "nothing to examine" in capsys.readouterr().err
    with pytest.raises(ValueError, match="H is no role: choose one of G, D"):
        examine_file(path, {"H": "netG"})


def test_every_role_can_be_chosen_on_the_command_line():
    args = parser().parse_args(["doctor", "x.py", "--x-real", "next(iter(loader))[0]"])
    assert set(args.roles) == set(files.ROLES) and args.x_real == "next(iter(loader))[0]"
    assert args.seconds == files.SECONDS


# ----------------------------------------------------------------------------------------------------- the run itself


def test_what_is_there_when_it_breaks_off_is_examined(run):
    text, healthy = examined(*run(HEALTHY + "netG(torch.zeros(3, 5))\nnetG = None\n"), {})
    line = HEALTHY.count("\n") + 1
    assert "stopped after" in text and "by RuntimeError" in text and f"line {line}: netG(torch.zeros(3, 5))" in text
    assert "\nhealthy: " in text and not healthy


def test_names_of_a_function_that_has_ended_are_found(run):
    inside = SETUP + BARE.replace("def main():\n", "def main(netG, netD):\n").replace(
        "main()\n", "main(netG, netD)\ndel netG, netD"
    )
    text, healthy = examined(*run(inside), {})
    assert healthy and "G = netG, D = netD" in text and "x_real = real (64, 2)" in text


@pytest.mark.parametrize(("where", "found"), [("in the loop", True), ("afterwards", False)])
def test_evaluation_mode_counts_where_training_went_on_in_it(where, found, run):
    sick = SETUP.replace("nn.ReLU(), nn.Linear(32, 2)", "nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2)") + STEP + LOOP
    sick += "    netG.eval()\n" if found else "netG.eval()\nnetG(torch.zeros(3, 8))\n"
    assert ("eval_mode" in examined(*run(sick), {})[0]) == found


def test_code_that_makes_nothing_of_being_stopped_is_given_up(run, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE", 1)
    given_up = []
    deaf = """
import time
end = time.time() + 2
while time.time() < end:
    try:
        time.sleep(0.2)
    except KeyboardInterrupt:
        pass
"""
    before = signal.getsignal(signal.SIGINT)
    done, _ = run(deaf, 0.2, lambda: given_up.append(1))
    assert given_up == [1] and done.late and signal.getsignal(signal.SIGINT) is before


def test_an_exit_with_a_reason_is_a_failure_and_one_without_is_none(run):
    assert run("import sys; sys.exit('no GPU')")[0].where == "line 1: import sys; sys.exit('no GPU')"
    assert run("import sys; sys.exit(0)")[0].error is None


# -------------------------------------------------------------------------------------------------- who is who


def space(code: str = "", **more) -> dict:
    found = {}
    exec(SETUP + STEP + code, found)
    return found | {"real": found["circle"](64)} | more


@pytest.mark.parametrize("g", ["G", "netG", "net_G", "generator", "Gen", "generator_model"])
@pytest.mark.parametrize("d", ["D", "netD", "critic", "Discriminator", "disc"])
def test_players_are_found_by_name(g, d):
    here = space()
    here[g], here[d] = here.pop("netG"), here.pop("netD")
    seen = search(here, {})
    assert seen.roles["G"] == (g, here[g]) and seen.roles["D"] == (d, here[d])
    assert (seen.roles["opt_G"][0], seen.roles["opt_D"][0]) == ("optimizerG", "optimizerD")


def test_players_without_a_name_are_found_by_what_they_give():
    here = space()
    here["maker"], here["judge"] = here.pop("netG"), here.pop("netD")
    here["a"], here["b"] = here.pop("optimizerG"), here.pop("optimizerD")
    here["unused"] = nn.Linear(3, 5)
    seen = search(here, {})
    assert [seen.roles[r][0] for r in ("G", "D", "opt_G", "opt_D")] == ["maker", "judge", "a", "b"]


def test_players_inside_an_object_of_ones_own_are_found():
    code = """
class GAN:
    def __init__(self):
        self.generator, self.discriminator, self.latent_dim = netG, netD, nz
    def train_step(self, real):
        return train_step(real)
gan = GAN()
"""
    here = {}
    exec("__name__ = '__main__'" + SETUP + STEP + code, here)
    here["real"] = here["circle"](64)
    for name in ("netG", "netD", "train_step"):
        here[name[-1]] = lambda: None  # what is called so and is none
        del here[name]
    seen = search(here, {})
    assert [seen.roles[r][0] for r in ("G", "D", "step")] == ["gan.generator", "gan.discriminator", "gan.train_step"]


@pytest.mark.parametrize(
    ("more", "listed"),
    [
        ({"generator": nn.Linear(8, 2)}, "G could be any of netG, generator. Say which: --G netG"),
        ({"critic": nn.Linear(2, 1)}, "D could be any of netD, critic. Say which: --D netD"),
        ({"step": lambda x: None}, "step could be any of step, train_step. Say which: --step step"),
        ({"x_real": torch.rand(64, 2) * 255}, "x_real could be any of x_real, real. Say which: --x-real x_real"),
    ],
)
def test_when_several_fit_nothing_is_guessed(more, listed):
    with pytest.raises(Unclear) as e:
        search(space(**more), {})
    assert str(e.value) == listed
    role = listed.split()[0]
    chosen = listed.rpartition(" ")[2]
    assert search(space(**more), {role: chosen}).roles[role][0] == chosen


def test_a_choice_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"G 'nn' is a module: give the torch\.nn\.Module that is trained"):
        search(space(), {"G": "nn"})


def test_one_network_under_two_names_is_one():
    here = space()
    here["generator"] = here["netG"]
    assert search(here, {}).roles["G"][0] == "netG"


def test_a_batch_is_what_D_takes_and_as_it_enters_D():
    here = space(images=torch.rand(64, 2) * 255, labels=torch.zeros(64))
    assert search(here, {}).roles["x_real"][0] == "real"
    here["real"] = torch.ones(64, 7)  # such as targets
    assert search(here, {}).roles["x_real"][0] == "images"


def test_a_loader_gives_the_batch_where_none_is_left_over():
    x, y = torch.randn(300, 2), torch.randint(3, (300,))
    here = space(train_loader=DataLoader(TensorDataset(x, y), 64), test_loader=DataLoader(TensorDataset(x, y), 8))
    del here["real"]
    seen = search(here, {})
    assert seen.roles["x_real"][0] == "the first of train_loader" and torch.equal(seen.value("x_real"), x[:256])
    assert "labels" not in seen  # nobody has a place for them
    here["train_step"] = lambda x, y: None
    assert torch.equal(search(here, {}).value("labels"), y[:256])


def test_latents_are_those_of_the_loop_or_of_its_settings():
    here = space(opt=argparse.Namespace(latent_dim=8))
    del here["train_step"], here["nz"]
    assert search(here, {}).roles["z_dim"] == ("opt.latent_dim", 8)
    assert search(here | {"opt": None, "config": {"z_dim": 8}}, {}).roles["z_dim"] == ('config["z_dim"]', 8)
    assert search(here | {"opt": None}, {}).roles["z_dim"] == ("the first layer of G", 8)
    assert search(here | {"noise": torch.rand(64, 8)}, {}).roles["z"][0] == "noise"
    assert search(here | {"noise": torch.rand(64, 9)}, {}).roles["z_dim"][0] == "opt.latent_dim"


@pytest.mark.parametrize(
    "records",
    [
        {"G_losses": [1.0, 2.0], "D_losses": [3.0, 4.0]},
        {"loss_G_list": None, "lossG": [1.0, 2.0], "d_loss": torch.tensor(0.1), "loss_disc": [3.0, 4.0]},
        {"history": {"gen_loss": [1.0, 2.0], "D_loss": [3.0, 4.0], "step": [1, 2]}},
    ],
)
def test_records_of_losses_are_found(records):
    assert search(space(**records), {}).value("history") == {"loss_D": [3.0, 4.0], "loss_G": [1.0, 2.0]}


def test_a_trainer_is_a_run_of_its_own():
    from small_runs import trainer

    ours = trainer("points")
    seen = search(space(trainer=ours), {})
    assert seen.arguments() == {"run": ours}
    assert "G" in search(space(trainer=ours), {"G": "netG"})
    with pytest.raises(Unclear, match="trainer could be any of a, b"):
        search({"a": ours, "b": trainer("points")}, {})


def test_who_is_missing_is_said_with_what_there_is(run):
    lonely = SETUP.replace("netG", "autoencoder").replace("netD", "classifier").replace("32, 1)", "32, 5)")
    text, healthy = examined(*run(lonely), {})
    assert not healthy and "could not tell: no G was found: of the networks here, autoencoder, classifier" in text
    assert "no D was found" in text and "--G, --D, --x-real" in text
    text, healthy = examined(*run("x = 1"), {})
    assert not healthy and "no G was found: there is no network that it could be" in text


def test_two_generators_are_listed_and_not_examined(run):
    text, healthy = examined(*run(HEALTHY + "generator = nn.Linear(8, 2)"), {})
    assert not healthy and "could not tell: G could be any of netG, generator" in text and "sick" not in text
    text, healthy = examined(*run(HEALTHY + "generator = nn.Linear(8, 2)"), {"G": "netG"})
    assert healthy and "G = netG" in text


# -------------------------------------------------------------------------------------------------- how it is called


def test_a_step_that_takes_players_by_other_names_is_fitted_to_a_batch():
    calls = []

    def step(net_G, critic, real, optimizerG, epoch, y=None):
        calls.append((net_G, critic, len(real), optimizerG, epoch))

    seen = Found({"G": ("g", "the G"), "D": ("d", "the D"), "opt_G": ("o", "the opt")})
    fitted(step, seen, {"epoch": 3, "real": "stale"})(torch.zeros(5, 2))
    assert calls == [("the G", "the D", 5, "the opt", 3)]


@pytest.mark.parametrize("step", [lambda x: None, lambda x, G, D: None, lambda x, labels, *, G, opt_G: None, print])
def test_a_step_that_the_doctor_can_call_stays_as_it_is(step):
    assert fitted(step, Found({r: (r, r) for r in names.PLAYERS}), {}) is step


def test_a_step_that_is_called_otherwise_is_examined_all_the_same(run):
    step = STEP.replace("train_step(real)", "train_step(netG, netD, real, optimizerG, optimizerD)")
    text, healthy = examined(
        *run(SETUP + step + LOOP.replace("(real)", "(netG, netD, real, optimizerG, optimizerD)")), {}
    )
    assert healthy and "no step" not in text
    sick = step.replace("    optimizerD.zero_grad()\n", "")
    text, _ = examined(*run(SETUP + sick + LOOP.replace("(real)", "(netG, netD, real, optimizerG, optimizerD)")), {})
    assert "! A gradient is added to an older one" in text


LOADER = """
for epoch in range(3):
    for i, (imgs, _) in enumerate(loader):
        for _ in range(5):
            loss_D.backward()
        loss_G.backward()
"""
IN_PARTS = """
for i, data in enumerate(loader):
    real_cpu = data[0]
    loss_D.backward()
    loss_G.backward()
"""
TWO = """
def train_D(x): loss(x).backward()
def train_G(x): loss(x).backward()
for x in loader:
    train_D(x); train_G(x)
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (LOADER, "the loop in cell In[1], line 3 does with one batch into a function:\n    def step(imgs):\n"
                 "        ...  # lines 4 to 6\n    for i, (imgs, _) in enumerate(loader):\n        step(imgs)"),
        (IN_PARTS, "    def step(real_cpu):\n        ...  # lines 4 to 5\n    for i, data in enumerate(loader):\n"
                   "        ...  # line 3\n        step(real_cpu)"),
        (TWO, "call backward(): train_D, train_G. Say what one step of both players is:\n"
              "    ganedu doctor gan.py --step 'lambda x: (train_D(x), train_G(x))'"),
        ("x = 1", "Say which function takes one step of both players on a batch: --step NAME."),
        ("%%bash\nls -l", "--step NAME."),
    ],
)  # fmt: skip
def test_how_to_give_a_step_is_said_in_the_words_of_the_loop(code, says):
    said = no_step([Part(code, "cell In[1], ")], Found({"x_real": ("real_cpu", torch.zeros(3))}), "gan.py")
    assert said.startswith("no step was found") and said.endswith(says)


# -------------------------------------------------------------------------------------------------- its folder


def test_what_is_large_is_linked_and_what_is_small_is_copied(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "COPIED", 1000)
    folder, place = tmp_path / "a" / "mine", tmp_path / "copy"
    (folder / "few").mkdir(parents=True)
    (folder / "many").mkdir()
    path = script(folder / "gan.py", "x = 1")
    (folder / "few" / "x.txt").write_text("x" * 100)
    (folder / "many" / "y.txt").write_text("y" * 2000)
    (folder / "loop").symlink_to(folder)
    (tmp_path / "a" / "data").mkdir()
    copy, linked = beside(path, place)
    assert sorted(linked) == ["loop", "many"] and copy.read_text() == "x = 1"
    assert not (copy.parent / "few").is_symlink() and (copy.parent / "few" / "x.txt").stat().st_size == 100
    assert (copy.parent / "many").resolve() == folder / "many" and (copy.parent / ".." / "data").is_dir()
    text, _ = examined(Run(copy, types.ModuleType("__main__")), [Part("x = 1", "")], {}, linked)
    assert "Too large to be copied, so linked: " in text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes to meet")
def test_pipes_and_folders_that_cannot_be_read_are_passed_over(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    copy, linked = beside(script(folder / "gan.py", "x = 1"), tmp_path / "copy")
    assert copy.is_file() and linked == ["pipe"]


def test_the_names_are_in_lower_case_without_underscores_and_stand_for_one_role():
    assert all(name == names._plain(name) for listed in names.NAMES.values() for name in listed)
    players = [
        name for role in ("G", "D", "opt_G", "opt_D", "step", "x_real", "z", "z_dim") for name in names.NAMES[role]
    ]
    assert len(players) == len(set(players))


def test_what_installs_is_left_out_of_a_cell_and_its_lines_stay(tmp_path):
    path = notebook(tmp_path / "gan.ipynb", "%%capture\n!pip install x\n  %pip install y\nimport torch\n!ls")
    [part] = files.parts(path)
    assert part.source == "#\npass\n  pass\nimport torch\n!ls" and part.where == "cell In[1], "
    assert ast.parse(part.source.replace("!ls", "").replace("  pass", "pass"))
