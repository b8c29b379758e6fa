"""Oracles: scikit-learn's tables, chances counted by hand, the normal equations, finite tables drawn many times."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from ganedu.sampling import seeded
from ganedu.topics import gain

every_table = pytest.mark.parametrize("name", gain.TABLES)
every_mechanism = pytest.mark.parametrize("mechanism", gain.MECHANISMS)


def linear(n=300, d=4, noise=0.05, seed=0):
    """Columns that one number drives, so that a hole can be filled from the others; 0 to 1."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 1, generator=draw) * torch.linspace(1, 2, d) + noise * torch.randn(n, d, generator=draw)
    return (x - x.amin(0)) / (x.amax(0) - x.amin(0))


# ------------------------------------------------------------------------------------------------------------ tables


@every_table
def test_a_table_is_scikit_learns_scaled_to_0_and_1(name):
    from sklearn import datasets

    table = gain.load(name)
    bunch = getattr(datasets, f"load_{gain.TABLES[name][0]}")()
    assert table.x.amin(0).eq(0).all() and table.x.amax(0).eq(1).all() and table.x.dtype == torch.float32
    assert len(table.columns) == table.x.shape[1]
    for j, column in enumerate(bunch.feature_names):
        ours = table.x[:, table.columns.index(column)].double().numpy()
        assert abs(np.corrcoef(ours, bunch.data[:, j])[0, 1] - 1) < 1e-6
    if name == "diabetes":
        assert table.labels is None and table.columns[-1] == "progression" and table.columns[0] == "bmi"
        assert abs(np.corrcoef(table.x[:, -1], bunch.target)[0, 1] - 1) < 1e-6
    else:
        assert table.labels.tolist() == bunch.target.tolist()


def test_an_unknown_table_is_told_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'breast cancer'"):
        gain.load("breast")


# ---------------------------------------------------------------------------------------------- why values go missing


@every_mechanism
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_columns_mean_chance_is_the_share_and_the_first_column_is_always_seen(mechanism, share):
    p = gain.chances(linear(), share, mechanism)
    assert (p[:, 1:].mean(0) - share).abs().max() < 1e-9
    assert (p[:, 0] == 0).all()


def test_the_chances_are_logistic_in_what_they_depend_on():
    x = linear()
    z = ((x - x.mean(0)) / x.std(0)).double().numpy()
    u = {"completely at random": 0 * z, "given what is seen": z[:, :1] + 0 * z, "given what is not": z}
    for mechanism in gain.MECHANISMS:
        p = gain.chances(x, 0.3, mechanism, slope=1.5).numpy()[:, 1:]
        offset = np.log(p / (1 - p)) - 1.5 * u[mechanism][:, 1:]
        assert np.ptp(offset, axis=0).max() < 1e-6  # one b a column
        assert abs(expit(1.5 * u[mechanism][:, 1:] + offset).mean() - 0.3) < 1e-6


@every_mechanism
def test_masks_follow_the_chances(mechanism):
    x = linear(200, 3)
    p = gain.chances(x, 0.3, mechanism)
    often = torch.stack([~gain.hide(x, 0.3, mechanism, seed) for seed in range(400)]).double().mean(0)
    error = (p * (1 - p) / 400).sqrt()
    assert ((often - p).abs() <= 5 * error + 1e-12).all()
    assert torch.equal(gain.hide(x, 0.3, mechanism, 5), gain.hide(x, 0.3, mechanism, 5))
    assert not torch.equal(gain.hide(x, 0.3, mechanism, 5), gain.hide(x, 0.3, mechanism, 6))


def test_a_column_keeps_two_values_that_differ():
    x = linear(12, 3)
    for seed in range(30):
        mask = gain.hide(x, 0.99, "given what is not", seed)
        assert min(len(x[mask[:, j], j].unique()) for j in range(3)) >= 2
        gain.prepare(x, mask)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_a_share_lies_between(share):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        gain.hide(linear(), share, gain.MECHANISMS[0])


def test_several_tables_at_once_are_refused():
    with pytest.raises(ValueError, match=r"the table is \(2, 300, 4\): give rows and columns"):
        gain.hide(linear().expand(2, -1, -1), 0.2, gain.MECHANISMS[0])


def test_an_unknown_mechanism_is_told_the_nearest():
    with pytest.raises(ValueError, match="unknown mechanism 'at random'"):
        gain.chances(linear(), 0.2, "at random")


# ---------------------------------------------------------------------------------------------------------- the door


def test_a_table_is_scaled_by_what_is_seen_and_comes_back():
    x = linear() * torch.tensor([1.0, 10.0, 1e3, 1e-3]) + torch.tensor([0.0, 5.0, -7.0, 1.0])
    mask = gain.hide(x, 0.4, "given what is not", 0)
    p = gain.prepare(x, mask)
    for j in range(4):
        seen = x[mask[:, j], j]
        expected = (seen - seen.min()) / (seen.max() - seen.min())
        assert torch.allclose(p.x[mask[:, j], j], expected, atol=1e-4)
    assert (p.x[~mask] == 0).all()
    assert torch.allclose(gain.restore(p, p.x.double())[mask], x[mask].double(), rtol=1e-4)


def test_what_is_masked_is_not_looked_at():
    x = linear()
    mask = gain.hide(x, 0.3, gain.MECHANISMS[0])
    expected = gain.prepare(x, mask)
    for hole in (torch.nan, torch.inf, 1e9):
        found = gain.prepare(torch.where(mask, x, hole), mask)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_arrays_lists_and_frames_are_tables():
    pandas = pytest.importorskip("pandas")
    rows = [[1, 2.5], [3, 4.0], [2, 0.5]]
    expected = gain.prepare(torch.tensor(rows))
    for given in (rows, np.array(rows), np.array(rows, dtype=object), pandas.DataFrame(rows, columns=["a", "b"])):
        assert torch.equal(gain.prepare(given).x, expected.x)
    frame = pandas.DataFrame({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0]})
    assert gain.prepare(frame, frame.notna()).mask.tolist() == [[True, True], [False, True], [True, True]]


X = [[1.0, 2.0], [3.0, 4.0], [5.0, 5.0]]
HOLE = [[1.0, float("nan")], [3.0, 4.0], [5.0, 5.0]]
BAD = {
    "text": ([[1.0, "red"], [2.0, "blue"]], None, "column 1 holds 'red', which is no number.*a column of 0 and 1"),
    "digits as text": ([[1.0, "3"], [2.0, "4"]], None, "column 1 holds '3', which is no number"),
    "constant": ([[1.0, 7.0], [2.0, 7.0]], None, "column 1 is 7 wherever it is seen: leave the column out"),
    "constant where seen": (X, [[True, True], [True, False], [True, False]], "column 1 is 2 wherever it is seen"),
    "all missing": (X, [[True, False]] * 3, "column 1 has no value at all.*leave the column out"),
    "one row": ([[1.0, 2.0]], None, r"the table is \(1, 2\): give rows and columns \(N, d\), 2 rows or more"),
    "one axis": ([1.0, 2.0], None, r"the table is \(2,\): give rows and columns"),
    "NaN without a mask": (HOLE, None, "1 values of the table are NaN, and there is no mask.*mask=~x.isnan"),
    "NaN that is seen": (HOLE, [[True, True]] * 3, "row 0 of column 1 is nan where the mask says seen"),
    "infinity": ([[1.0, 2.0], [float("inf"), 4.0]], None, "row 1 of column 0 is inf where the mask says seen"),
    "a mask of another shape": (X, [[True, False]], r"the mask is \(1, 2\), the table \(3, 2\)"),
    "a mask of numbers": (X, [[1, 0], [1, 1], [1, 1]], "the mask holds torch.int64: give True where a value is seen"),
}


@pytest.mark.parametrize(("x", "mask", "words"), BAD.values(), ids=BAD)
def test_bad_tables_are_named_with_what_to_do(x, mask, words):
    with pytest.raises(ValueError, match=words):
        gain.prepare(x, mask)


def test_a_frames_columns_are_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": [1.0, 2.0], "colour": ["red", "blue"]})
    with pytest.raises(ValueError, match="column 'colour' holds 'red'"):
        gain.prepare(frame)


# ----------------------------------------------------------------------------------------------------- networks, fit


def test_players_have_the_sizes_of_the_authors_code_and_fill_between_0_and_1():
    G, D = gain.Player(6, worlds=2, fills=True), gain.Player(6, worlds=2)
    assert [layer.weight.shape for layer in G.net.layers] == [(2, 12, 6), (2, 6, 6), (2, 6, 6)]
    x = torch.randn(2, 9, 6) * 100
    assert G(x, x > 0).min() >= 0 and G(x, x > 0).max() <= 1
    assert D(x, x > 0).abs().max() > 1
    with pytest.raises(ValueError, match="width=0"):
        gain.Player(6, width=0)


def test_complete_keeps_what_is_seen_and_repeats_with_a_seed():
    x = linear()[None]
    m = gain.hide(x[0], 0.4, gain.MECHANISMS[0])[None]
    G = gain.Player(4, fills=True)
    first = gain.complete(G, x, m, seed=1)
    assert torch.equal(first[m], x[m]) and not torch.equal(first, x)
    with seeded(9):
        assert torch.equal(gain.complete(G, x, m, seed=1), first)
    assert not torch.equal(gain.complete(G, x, m, seed=2), first)


def rmse(filled, x, m):
    return float((filled - x)[~m].square().mean().sqrt())


@pytest.mark.parametrize("step", [gain.gain_step, gain.practice_step])
def test_fit_learns_a_table_that_one_number_drives_and_keeps_the_best_stop(step):
    x = linear(400)
    m = gain.hide(x, 0.2, gain.MECHANISMS[0], 0)
    by_mean = rmse(gain.fill(x, m, "mean"), x, m)
    both, masks = x.expand(2, -1, -1).contiguous(), m.expand(2, -1, -1).contiguous()
    fitted = gain.fit(both, masks, step, steps=1500, every=300, width=32)
    assert fitted.stops.tolist() == [300, 600, 900, 1200, 1500] and fitted.held_out.shape == (5, 2)
    for filled in gain.complete(fitted.G, both, masks):
        assert rmse(filled, x, m) < 0.7 * by_mean
    again = gain.fit(both, masks, step, steps=600, every=300, width=32)
    assert torch.equal(again.held_out, fitted.held_out[:2])


def test_what_is_held_out_is_hidden_from_the_step_and_is_a_tenth_of_what_is_seen():
    x = linear(400)[None]
    m = gain.hide(x[0], 0.2, gain.MECHANISMS[0], 0)[None]
    shares = []

    def spy(x, m, *, G, opt_G):
        shares.append(m.double().mean())
        return {"error": torch.zeros(())}

    gain.fit(x, m, spy, steps=60, every=60)
    expected = 0.9 * m.double().mean()
    assert abs(torch.stack(shares).mean() - expected) < 0.02


def test_fit_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"give both as \(W, N, d\)"):
        gain.fit(linear(), linear() > 0)
    with pytest.raises(ValueError, match="steps=5"):
        gain.fit(linear()[None], linear()[None] > 0, steps=5)


# ------------------------------------------------------------------------------------------- what fills without a GAN


def test_the_mean_and_the_neighbours_are_what_their_names_say():
    x = linear(60)
    m = gain.hide(x, 0.2, gain.MECHANISMS[0], 0)
    filled = gain.fill(x, m, "mean")
    for j in range(4):
        assert torch.allclose(filled[~m[:, j], j], x[m[:, j], j].mean(), atol=1e-6)
    assert torch.equal(filled[m], x[m])
    near = gain.fill(x, m, "five neighbours")
    one_hole = next(i for i in range(60) if (~m[i]).sum() == 1)
    j = int((~m[one_hole]).nonzero())
    p = gain.prepare(x, m)
    both = m & m[one_hole]  # (60, 4)
    squares = ((p.x - p.x[one_hole]).square() * both).sum(1) * 4 / both.sum(1)
    squares = torch.where(m[:, j] & both.any(1), squares, torch.inf)
    assert abs(float(near[one_hole, j]) - float(x[squares.argsort()[:5], j].mean())) < 1e-5


def test_the_chain_predicts_by_least_squares_where_one_column_has_holes():
    x = linear(500, 3, noise=0.3)
    m = torch.ones_like(x, dtype=torch.bool)
    m[:100, 2] = False
    A = torch.cat([torch.ones(500, 1), x[:, :2]], 1).double()
    weights = torch.linalg.lstsq(A[100:], x[100:, 2:].double()).solution
    by_hand = (A[:100] @ weights)[:, 0]
    assert (gain.fill(x, m, "chained ridge")[:100, 2] - by_hand).abs().max() < 2e-3
    noise = float((x[100:, 2] - (A[100:] @ weights)[:, 0]).std())
    drawn = torch.stack([gain.fill(x, m, "chained ridge, drawn", seed)[:100, 2] for seed in range(30)]) - by_hand
    assert abs(float(drawn.std()) / noise - 1) < 0.1 and abs(float(drawn.mean())) < 4 * noise / 3000**0.5


@pytest.mark.parametrize("method", gain.FILLERS)
def test_every_filler_keeps_what_is_seen_and_repeats_with_a_seed(method):
    x = linear(80)
    m = gain.hide(x, 0.3, "given what is seen", 0)
    filled = gain.fill(x, m, method, 3)
    assert torch.equal(filled[m], x[m]) and filled.isfinite().all() and filled.dtype == torch.float32
    assert torch.equal(gain.fill(torch.where(m, x, 9e9), m, method, 3)[~m], filled[~m])


def test_fill_refuses_what_does_not_fit():
    x = linear(20)
    with pytest.raises(ValueError, match="unknown method 'means'"):
        gain.fill(x, x > -1, "means")
    with pytest.raises(ValueError, match="has no value at all"):
        gain.fill(x, torch.tensor([True, True, True, False]).expand(20, -1), "mean")
