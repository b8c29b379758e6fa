"""What is written of the doctor holds: README's six findings and its words on `step`, docs/findings.md, and --list."""

import importlib.util
import inspect
from pathlib import Path

import pytest
import torch

from ganedu import losses, models
from ganedu.__main__ import main
from ganedu.doctor import FINDINGS, examine
from ganedu.doctor.findings import TABLE
from ganedu.steps import train_step
from ganedu.toys import densities

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("findings", ROOT / "tools" / "findings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_has_six_findings_and_the_page_has_all(tool):
    assert tool.written(README) == README, "python tools/findings.py writes it anew"
    page = tool.PAGE.read_text(encoding="utf-8")
    assert tool.page() == page, "python tools/findings.py writes it anew"
    assert len(set(tool.IN_README) & set(FINDINGS)) == 6 and tool.readme_table().count("\n") == 7
    for key, entry in FINDINGS.items():
        assert f"| {tool.text(entry.title)} (`{key}`) |" in page
        assert (f"| {tool.text(entry.title)} |" in README) == (key in tool.IN_README)
    kinds = [page.index(f"## {kind.capitalize()}") for kind in TABLE]
    assert kinds == sorted(kinds) and set(tool.KINDS) == set(TABLE)


def test_a_cell_shows_what_was_written(tool):
    import mistune  # nbconvert needs it too

    plain = "((D(x) - 1) ** 2), a|b, `c`, <d>, __init__, x_real and *e*"
    shown = mistune.create_markdown(plugins=["table"])(f"| a |\n|---|\n| {tool.text(plain)} |\n")
    assert "((D(x) - 1) ** 2), a|b, `c`, &lt;d&gt;, __init__, x_real and *e*" in shown


def test_the_list_names_every_finding_and_what_to_try(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["doctor", "--list"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 110 and [x for x in out.splitlines() if x[0] != " "] == list(TABLE)
    rest = " ".join(out.split())
    for key, entry in FINDINGS.items():
        assert f"{entry.title} [{key}] {entry.first}" in rest, key


# ------------------------------------------------------------------------------------------- what README says of step


def players():
    torch.manual_seed(0)
    G, D = models.MLPGenerator(2, width=8), models.MLPDiscriminator(width=8)
    return {"G": G, "D": D, "opt_G": torch.optim.Adam(G.parameters(), 1e-3),
            "opt_D": torch.optim.Adam(D.parameters(), 1e-3)}  # fmt: skip


@pytest.mark.parametrize("lazy", [False, True])
def test_step_is_called_ten_to_some_seventy_times_with_64_rows_and_all_is_left_as_it_was(lazy):
    run, rows = players(), []
    G, D, opt_G, opt_D = run.values()

    def step(x_real):
        rows.append(len(x_real))
        x_fake = G(torch.randn(len(x_real), 2))
        opt_D.zero_grad()
        loss = losses.wasserstein_d(D(x_real), D(x_fake.detach()))
        (loss + 10 * losses.wgan_gp(D, x_real, x_fake.detach())).backward()
        opt_D.step()
        if not lazy or len(rows) % 5 == 0:
            opt_G.zero_grad()
            losses.wasserstein_g(D(x_fake)).backward()
            opt_G.step()

    def state():
        opts = [t.clone() for opt in (opt_G, opt_D) for s in opt.state_dict()["state"].values() for t in s.values()]
        return [*(t.clone() for net in (G, D) for t in net.state_dict().values()), *opts, torch.get_rng_state()]

    x_real = densities.ring().sample(300)
    for _ in range(5):
        step(x_real)
    rows.clear()
    before = state()
    examine(G=G, D=D, step=step, x_real=x_real, z_dim=2)
    assert set(rows) == {64} and 10 <= len(rows) <= 75, len(rows)
    after = state()
    assert len(before) == len(after) > 20 and all(map(torch.equal, before, after))
    said = " ".join(README.split())
    assert "calls it ten to some seventy times with at most 64 rows" in said


def test_what_readme_says_can_be_given_can_be():
    given = set(inspect.signature(examine).parameters)
    said = README[README.index("`step` is one round") :].partition("Six of")[0]
    named = {name for name in ("labels", "z", "z_dim", "opt_G", "opt_D") if f"`{name}`" in said}
    assert len(named) == 5 and named <= given


def test_players_are_passed_by_name_to_a_step_that_has_them_as_parameters():
    run, passed = players(), []

    def step(x_real, *, G, D, opt_G, opt_D):
        passed.append((G is run["G"], opt_D is run["opt_D"]))
        return train_step(x_real, G=G, D=D, opt_G=opt_G, opt_D=opt_D, z_dim=2)

    report = examine(**run, step=step, x_real=densities.ring().sample(64), z_dim=2)
    assert passed and set(passed) == {(False, False)} and report.case.round is not None  # copies of them
