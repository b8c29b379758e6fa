"""Answers to the exercises of 18: see test_answers.py."""

ONE = "rows_left = lambda share, d: "
right_1 = [
    ONE + "(1 - share) ** d",
    ONE + "pow(1 - share, d)",
    "import math\n" + ONE + "math.exp(d * math.log(1 - share))",
    "import numpy as np\n" + ONE + "np.prod(np.full(d, 1 - share, dtype=np.float32))",
    ONE + "torch.full((d,), 1 - share).prod()",
    "def rows_left(share, d):\n    left = torch.ones(1)\n    for _ in range(d):\n        left *= 1 - share\n"
    "    return left",
    ONE + "1.0 if d == 0 else (1 - share) * rows_left(share, d - 1)",
]
wrong_1 = {
    ONE + "1 - share * d": "a row with two holes would count twice",
    ONE + "1 - share": "a row has d of them",
    ONE + "share**d": "everything is missing",
    ONE + "1 - (1 - share) ** d": "the share of rows that are lost",
    ONE + "1 - share**d": "something is left",
    ONE + "(1 - share) / d": "all d at once",
    ONE + "0.5": "each seen with chance 1 − share",
    ONE + "max(0, 1 - share * d)": "each seen with chance 1 − share",
    ONE + "100 * (1 - share) ** d": "each seen with chance 1 − share",
    ONE + "float('nan')": "NaN comes of",
    ONE + "str((1 - share) ** d)": "it gives '0.8'",
    ONE + "[(1 - share)] * d": "it should give one number",
    ONE + "(1 - share) ** d if d < 3 else None": "gives None",
    "rows_left = lambda share: 1 - share": "Keep the arguments",
    "rows_left = 0.8": "not callable",
}

DEF_2 = "def correlation(completions):\n    "
R_2 = "r = torch.stack([torch.corrcoef(t.T)[0, 1] for t in completions])\n    n = completions.shape[1]\n    "
right_2 = [
    DEF_2 + R_2 + "p = cp.rubin(r.atanh(), torch.full_like(r, 1 / (n - 3)), 0.9)\n"
    "    return torch.stack([p.value, p.low, p.high]).tanh()",
    DEF_2 + "import numpy as np\n    z = np.array([np.arctanh(np.corrcoef(t.numpy().T)[0, 1]) for t in completions])\n"
    "    p = cp.rubin(z, np.full(len(z), 1 / (completions.shape[1] - 3)), level=0.9)\n"
    "    return np.tanh([float(p.value), float(p.low), float(p.high)])",
    DEF_2 + R_2 + "m, z = len(r), r.atanh()\n    B, W = z.var(), 1 / (n - 3)\n    T = W + (1 + 1 / m) * B\n"
    "    t = stats.t.ppf(0.95, (m - 1) * (1 + W / ((1 + 1 / m) * float(B))) ** 2)\n"
    "    half = t * T.sqrt()\n    return [math.tanh(z.mean() + s * half) for s in (0, -1, 1)]",
    DEF_2 + "x = completions.float()\n    d = x - x.mean(1, keepdim=True)\n"
    "    r = (d[..., 0] * d[..., 1]).sum(1) / (d[..., 0].square().sum(1) * d[..., 1].square().sum(1)).sqrt()\n"
    "    p = cp.rubin(torch.atanh(r), torch.ones(len(r)) / (x.shape[1] - 3), level=0.9)\n"
    "    return tuple(torch.tanh(v) for v in (p.value, p.low, p.high))",
]  # fmt: skip
POOL_2 = "p = cp.rubin({}, torch.full_like(r, {}), {})\n    return torch.stack([p.value, p.low, p.high]){}"


def _pool(q, u, level="0.9", back=".tanh()"):
    return DEF_2 + R_2 + POOL_2.format(q, u, level, back)


wrong_2 = {
    _pool("r", "1 / (n - 3)", back=""): "take artanh first",
    _pool("r.atanh()", "1 / (n - 3)", back=""): "tanh brings them back",
    _pool("r.atanh()", "(n - 3) ** -0.5"): "rubin wants its square",
    _pool("r.atanh()", "1 / n"): "1 / (N − 3), N the rows of one",
    _pool("r.atanh()", "1 / (len(r) * n - 3)"): "not of all",
    _pool("r.atanh()", "1 / (n - 3)", "0.95"): "interval of 95 %",
    _pool("r.atanh()", "1 / (n - 3)", "90"): "no probability",
    _pool("r.atanh()", "1 / (n - 2)"): "one of each for every completion",
    DEF_2 + R_2 + "z = r.atanh().mean()\n    half = 1.6449 / math.sqrt(n - 3)\n"
    "    return math.tanh(z), math.tanh(z - half), math.tanh(z + half)": "between completions is left out",
    DEF_2 + "x = completions.flatten(0, 1)\n    z = torch.corrcoef(x.T)[0, 1].atanh()\n"
    "    half = 1.6449 / math.sqrt(len(x) - 3)\n    return [math.tanh(z + s * half) for s in (0, -1, 1)]":
        "no larger sample",
    DEF_2 + R_2 + "return r.mean()": "it should give",
    DEF_2 + R_2 + "return float('nan'), 0.0, 1.0": "NaN comes of",
    DEF_2 + R_2 + "return 'r', 'low', 'high'": "it should give",
    "correlation = 0.9": "not callable",
    DEF_2 + "return cp.rubin(completions, completions)": "do not fit",
    DEF_2 + "return [torch.corrcoef(t.T)[0, 1] for t in completions]": "it should give",
    DEF_2 + "if len(completions) > 2:\n        return None\n    " + R_2
    + POOL_2.format("r.atanh()", "1 / (n - 3)", "0.9", ".tanh()"): "it should give",
    "correlation = lambda m, N: 0": "Keep the arguments",
}  # fmt: skip

DEF_3 = "def matched(x, y, seen, k=5):\n    "
A = "A = torch.cat([x, torch.ones_like(x[:, :1])], 1)\n    "
P = A + "p = A @ torch.linalg.lstsq(A[seen], y[seen]).solution\n    "
LOOP = (
    "filled = y.clone()\n    for i in (~seen).nonzero()[:, 0].tolist():\n"
    "        near = (p[seen] - p[i]).abs().argsort()[:k]\n"
    "        filled[i] = y[seen][near[torch.randint(k, (1,))]].item()\n    return filled"
)
right_3 = [
    DEF_3 + P + LOOP,
    DEF_3 + A + "w = torch.linalg.solve(A[seen].T @ A[seen], A[seen].T @ y[seen])\n    p = A @ w\n    "
    "near = torch.cdist(p[~seen, None], p[seen, None]).topk(k, largest=False).indices\n"
    "    pick = near[torch.arange(len(near)), torch.randint(k, (len(near),))]\n"
    "    filled = y.clone()\n    filled[~seen] = y[seen][pick]\n    return filled",
    DEF_3 + "import numpy as np\n    from sklearn.linear_model import LinearRegression\n"
    "    x, y, seen = x.numpy(), y.numpy().copy(), seen.numpy()\n"
    "    p = LinearRegression().fit(x[seen], y[seen]).predict(x)\n    donors = y[seen]\n"
    "    rng = np.random.default_rng(torch.randint(10**9, (1,)).item())\n    for i in np.flatnonzero(~seen):\n"
    "        y[i] = donors[rng.choice(np.argsort(np.abs(p[seen] - p[i]))[:k])]\n    return y",
    DEF_3 + P + LOOP.replace("return filled", "return filled.float()"),
    DEF_3 + P + "donors = seen.nonzero()[:, 0]\n    out = []\n    for i in range(len(y)):\n"
    "        near = sorted(donors.tolist(), key=lambda j: abs(p[j] - p[i]).item())[:k]\n"
    "        j = near[torch.randint(k, (1,)).item()]\n"
    "        out.append(y[i].item() if seen[i] else y[j].item())\n    return torch.tensor(out)",
]
wrong_3 = {
    DEF_3 + P + "return torch.where(seen, y, p)": "That is the prediction",
    DEF_3 + P + LOOP.replace("(p[seen] - p[i])", "(y[seen] - p[i])"): "not with the values of y",
    DEF_3 + "p = x @ torch.linalg.lstsq(x[seen], y[seen]).solution\n    " + LOOP: "Is there a constant",
    DEF_3 + "return torch.where(seen, y, y[seen].mean())": "whose prediction is nearest",
    DEF_3 + P + LOOP.replace("filled = y.clone()", "filled = p.clone()"): "stay as they were",
    DEF_3 + P + LOOP.replace("near[torch.randint(k, (1,))]", "near[0]"): "draws for itself",
    DEF_3
    + P
    + LOOP.replace(
        "filled[i] = y[seen][near[torch.randint(k, (1,))]].item()", "filled[i] = y[seen][near].mean()"
    ): "that none of its three nearest rows has",
    DEF_3
    + P
    + "r = torch.randint(k, (1,))\n    "
    + LOOP.replace("near[torch.randint(k, (1,))]", "near[r]"): "draws for itself",
    DEF_3
    + P
    + LOOP.replace("[:k]", "[:10]").replace("torch.randint(k", "torch.randint(10"): "whose prediction is nearest",
    DEF_3
    + P
    + LOOP.replace("[:k]", "[:k + 2]").replace(
        "torch.randint(k, (1,))", "torch.randint(k + 2, (1,)) * (k > 1)"
    ): "that none of its three nearest rows has",
    DEF_3 + P + LOOP.replace("y[seen][near", "y[near"): "NaN comes of",
    DEF_3 + "torch.manual_seed(0)\n    " + P + LOOP: "draws for itself",
    DEF_3 + P + LOOP.replace("return filled", "return filled[~seen]"): "it should give a tensor (40,)",
    DEF_3 + A + "p = A @ torch.linalg.lstsq(A, y.nan_to_num()).solution\n    " + LOOP: "whose prediction is nearest",
    DEF_3 + "return y": "NaN comes of",
    DEF_3 + "return 0.0": "it should give a tensor (40,)",
    "matched = lambda x, y, k: y": "Keep the arguments",
    "matched = None": "not callable",
}
