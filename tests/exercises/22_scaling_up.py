"""Answers to the exercises of 22_scaling_up, right and wrong: see test_answers.py."""

ONE = "intensity = lambda n, c_in, c_out, side: "
right_1 = [
    ONE + "n * c_out * c_in * 8 * side**2 / "
    "(4 * (n * c_in * side**2 + 16 * c_in * c_out + n * c_out * side**2 / 4))",
    "def intensity(n, c_in, c_out, side):\n"
    "    x, w, y = n * c_in * side**2, 16 * c_in * c_out, n * c_out * side**2 // 4\n"
    "    return 2 * y * 16 * c_in / (4 * (x + w + y))",
    "def intensity(n, c_in, c_out, side):\n"
    "    conv = torch.nn.Conv2d(c_in, c_out, 4, 2, 1, bias=False, device='meta')\n"
    "    x = torch.randn(n, c_in, side, side, device='meta')\n    with torch.no_grad():\n"
    "        call, = cost.counted(lambda: conv(x))\n"
    "    return call.operations / call.bytes",
    "def intensity(n, c_in, c_out, side):\n    import numpy as np\n"
    "    sizes = np.array([n * c_in * side**2, 16 * c_in *"
    " c_out, n * c_out * (side // 2) ** 2])\n    return sizes[2] * c_in * 32 / (4 * sizes.sum())",
    "def intensity(n, c_in, c_out, side):\n    y = n * c_out * (side / 2) ** 2\n"
    "    moved = torch.tensor([n * c_in * side**2, 16 * c_in * c_out, y]).double().sum() * 4\n"
    "    return (y * 32 * c_in / moved).item()",
    "def intensity(n, c_in, c_out, side):\n    from fractions import Fraction as F\n    s = F(side)\n"
    "    y = n * c_out * s**2 / 4\n    return float(8 * y * c_in / (n * c_in * s**2 + 16 * c_in * c_out + y))",
]  # fmt: skip
R = "(4 * (n * c_in * side**2 + 16 * c_in * c_out + n * c_out * side**2 / 4))"
OPS = "n * c_out * c_in * 8 * side**2"
wrong_1 = {
    ONE + f"{OPS} / 2 / {R}": "two operations",
    ONE + f"{OPS} / {R} * 4": "Four bytes for each number",
    ONE + f"{OPS} / {R} / 2": "Wrong:",
    ONE + f"4 * {OPS} / (4 * (n * c_in * side**2 + 16 * c_in * c_out + n * c_out * side**2))": "half the side",
    ONE + f"{OPS} / (4 * (n * c_in * side**2 + n * c_out * side**2 / 4))": "The weights move too",
    ONE + f"{OPS} / (4 * (n * c_in * side**2 + 16 * c_in * c_out))": "The result is written",
    ONE + f"{OPS} / (4 * (16 * c_in * c_out + n * c_out * side**2 / 4))": "The pictures are read",
    ONE + f"{OPS} / c_in / {R}": "all c_in channels",
    ONE + f"{OPS} / 16 / {R}": "4 × 4 places",
    ONE + f"{OPS} / (4 * (n * c_in * side**2 + n * 16 * c_in * c_out + n * c_out * side**2 / 4))":
    "not for each picture",
    ONE + f"{R} / ({OPS})": "other way round",
    ONE + OPS: "divide by the bytes",
    ONE + "1.0": "2 · (numbers of the result)",
    ONE + "float('nan')": "it gives nan",
    ONE + "'many'": "it gives 'many'",
    "intensity = lambda n: n": "Keep the arguments",
    "intensity = 7.0": "not callable",
}  # fmt: skip

S = "def gain(rows):\n    "
BY = S + "a, b = ({r['seed']: r['score'] for r in rows if r['lr'] == lr} for lr in (1e-3, 3e-3))\n    "
right_2 = [
    BY + "return metrics.mean_interval([b[s] - a[s] for s in a if s in b])",
    BY + "d = torch.tensor([b[s] - a[s] for s in sorted(a.keys() & b.keys())], dtype=torch.float64)\n"
    "    return list(metrics.mean_interval(d))",
    BY + "d = [b[s] - a[s] for s in a.keys() & b.keys()]\n    m = sum(d) / len(d)\n"
    "    return [m, *stats.t.interval(0.95, len(d) - 1, m, stats.sem(d))]",
    BY + "import numpy as np\n    d = np.array([b[s] - a[s] for s in b if s in a])\n"
    "    h = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))\n"
    "    return np.array([d.mean(), d.mean() - h, d.mean() + h])",
    S + "d = []\n    for r in rows:\n        for q in rows:\n"
    "            if r['seed'] == q['seed'] and r['lr'] < q['lr']:\n                d.append(q['score'] - r['score'])\n"
    "    return tuple(torch.tensor(v) for v in metrics.mean_interval(d))",
    S + "t = {}\n    for r in rows:\n        t.setdefault(r['seed'], {})[r['lr']] = r['score']\n"
    "    return metrics.mean_interval([v[0.003] - v[0.001] for v in t.values() if len(v) == 2])",
    S + "rows.sort(key=lambda r: (r['seed'], r['lr']))\n"
    "    pairs = [(p, q) for p, q in zip(rows, rows[1:]) if p['seed'] == q['seed']]\n"
    "    return metrics.mean_interval([q['score'] - p['score'] for p, q in pairs])",
    BY + "found = stats.ttest_rel(*zip(*[(b[s], a[s]) for s in a if s in b]))\n"
    "    low, high = found.confidence_interval()\n"
    "    return (low + high) / 2, low, high",
]  # fmt: skip
LISTS = S + "a, b = ([r['score'] for r in rows if r['lr'] == lr] for lr in (1e-3, 3e-3))\n    "
D = BY + "d = [b[s] - a[s] for s in a if s in b]\n    m, n = sum(d) / len(d), len(d)\n    "
wrong_2 = {
    BY + "return metrics.mean_interval([a[s] - b[s] for s in a if s in b])": "not the reverse",
    LISTS + "return metrics.mean_interval([q - p for p, q in zip(a, b)])": "pair them by seed",
    LISTS + "import numpy as np\n    n = min(len(a), len(b))\n"
    "    return metrics.mean_interval(np.array(b[:n]) - np.array(a[:n]))": "pair them by seed",
    LISTS + "return metrics.mean_interval(torch.tensor(b) - torch.tensor(a))": "Whatever the order",
    BY + "return metrics.mean_interval([b[s] - a[s] for s in a])": "it raises KeyError",
    BY + "return metrics.mean_interval([b.get(s, 0) - a.get(s, 0) for s in a | b])": "no zero",
    LISTS + "return metrics.mean_interval([q - p for p in a for q in b])": "Only runs of one seed",
    LISTS + "low, high = stats.ttest_ind(b, a, equal_var=False).confidence_interval()\n"
    "    return sum(b) / len(b) - sum(a) / len(a), low, high": "strangers",
    LISTS + "x, y = metrics.mean_interval(a), metrics.mean_interval(b)\n    return [q - p for p, q in zip(x, y)]":
        "Subtract run from run",
    BY + "return metrics.mean_interval([b[s] / a[s] for s in a if s in b])": "no ratio",
    D + "h = 1.96 * stats.sem(d)\n    return m, m - h, m + h": "not 1.96",
    D + "h = stats.sem(d)\n    return m, m - h, m + h": "no 95 % interval",
    D + "h = torch.tensor(d, dtype=torch.float64).std()\n    return m, m - h, m + h": "single seeds",
    D + "return m": "it should give a tensor (3,)",
    D + "return m, metrics.mean_interval(d)": "it gives",
    D + "return float('nan'), 0.0, 0.0": "NaN comes of",
    D + "return 'better'": "it gives 'better'",
    S + "return 0.075, 0.02, 0.13": "one difference a seed",
    S + "return metrics.mean_interval([r['score'] for r in rows])": "one difference a seed",
    "gain = 0.075": "not callable",
    "def gain(rows, lr):\n    return 0": "Keep the arguments",
}  # fmt: skip

TWO = "def accumulated(D, loss, parts):\n    "
N = "n = sum(len(x) for x in parts)\n    "
right_3 = [
    TWO + N + "D.zero_grad()\n    for x in parts:\n        (loss(D, x) * len(x) / n).backward()\n"
    "    return [p.grad for p in D.parameters()]",
    TWO + "return memory.accumulate(lambda x: loss(D, x), D, (torch.cat(parts),), 1) if len(parts) == 1 else "
    "[sum(len(x) * "
    "torch.autograd.grad(loss(D, x), p)[0] for x in parts) / sum(map(len, parts)) for p in D.parameters()]",
    TWO + N + "return list(torch.autograd.grad(sum(len(x) / n * loss(D, x) for x in parts), tuple(D.parameters())))",
    TWO + N + "out = None\n    for x in parts:\n        g = torch.autograd.grad(loss(D, x), list(D.parameters()))\n"
    "        g = [len(x) / n * t for t in g]\n        out = g if out is None else [a + b for a, b in zip(out, g)]\n"
    "    return out",
    TWO + "w = torch.tensor([float(len(x)) for x in parts])\n    w = w / w.sum()\n    for p in D.parameters():\n"
    "        p.grad = None\n    for share, x in zip(w, parts):\n        (share * loss(D, x)).backward()\n"
    "    return tuple(p.grad.clone() for p in D.parameters())",
    TWO + "opt = torch.optim.SGD(D.parameters(), 0.1)\n    opt.zero_grad()\n    n = 0\n    for x in parts:\n"
    "        (len(x) * loss(D, x)).backward()\n        n += len(x)\n    return [p.grad / n for p in D.parameters()]",
]  # fmt: skip
EACH = "return [sum({0} * torch.autograd.grad(loss(D, x), p)[0] for i, x in enumerate(parts)) for p in D.parameters()]"
wrong_3 = {
    TWO + N + EACH.format("1 / len(parts)"): "weigh by pictures",
    TWO + EACH.format("1"): "each by its share",
    TWO + EACH.format("(i == len(parts) - 1)"): "the last part alone",
    TWO + EACH.format("len(x)"): "the number of all pictures",
    TWO + N + EACH.format("-len(x) / n"): "wrong sign",
    TWO + N + "for x in parts:\n        D.zero_grad()\n        (loss(D, x) * len(x) / n).backward()\n"
    "    return [p.grad for p in D.parameters()]": "not in it",
    TWO + N + "for x in parts:\n        (loss(D, x) * len(x) / n).backward()\n"
    "    return [p.grad for p in D.parameters()]": "clear them first",
    TWO + "return list(torch.autograd.grad(loss(D, torch.cat(parts)), list(D.parameters())))": "one part at a time",
    TWO + N + "return torch.cat([sum(len(x) / n * torch.autograd.grad(loss(D, x), p)[0] for x in parts).flatten() "
    "for p in D.parameters()])": "a list of gradients",
    TWO + N + "return [sum(len(x) / n * loss(D, x) for x in parts)]": "a list of gradients",
    TWO + N + "opt = torch.optim.SGD(D.parameters(), 0.1)\n    opt.zero_grad()\n    for x in parts:\n"
    "        (loss(D, x) * len(x) / n).backward()\n    opt.step()\n    return [p.grad for p in D.parameters()]":
    "the weights of D have changed",
    TWO + "return [torch.zeros_like(p) for p in D.parameters()]": "Sum over the parts",
    TWO + "return [p * float('nan') for p in D.parameters()]": "Wrong:",
    TWO + "return 0.5": "a list of gradients",
    TWO + "with torch.no_grad():\n"
    "        return [torch.autograd.grad(loss(D, parts[0]), p)[0] for p in D.parameters()]":
    "The slope is cut off",
    "accumulated = lambda D, parts: []": "Keep the arguments",
}  # fmt: skip

M = "def gap(goal, d, n):\n    "
GRAD = "torch.autograd.grad"
right_4 = [
    M + "d = d.clone().requires_grad_()\n    whole = torch.autograd.grad(goal(d), d)[0]\n"
    "    mean = torch.autograd.grad(sum(goal(p) for p in d.chunk(n)) / n, d)[0]\n    return (mean - whole).abs().max()",
    M + "d = d.detach().requires_grad_()\n    whole, = torch.autograd.grad(goal(d), d)\n"
    "    own = [p.detach().requires_grad_() for p in d.chunk(n)]\n"
    "    parts = torch.cat([torch.autograd.grad(goal(p), p)[0] for p in own]) / n\n"
    "    return (parts - whole).abs().max().item()",
    M + "def slopes(x):\n        x = x.detach().clone().requires_grad_()\n        goal(x).backward()\n"
    "        return x.grad\n"
    "    k = len(d) // n\n    gaps = []\n    for r in range(n):\n        own = d[r * k : (r + 1) * k]\n"
    "        gaps += (slopes(own) / n - slopes(d)[r * k : (r + 1) * k]).abs().tolist()\n    return max(gaps)",
    M + "f = torch.func.grad\n    return (torch.cat([f(goal)(p) / n for p in d.chunk(n)]) - f(goal)(d)).abs().max()",
    M + "d = d.requires_grad_()\n    difference = sum(goal(p) for p in d.view(n, -1)) / n - goal(d)\n"
    "    return torch.autograd.grad(difference, d)[0].abs().max().numpy()",
    M + "import numpy as np\n    def slopes(x):\n        x = x.detach().clone().requires_grad_()\n"
    "        return torch.autograd.grad(goal(x), x)[0].numpy()\n"
    "    mine = np.concatenate([slopes(p) / n for p in torch.tensor_split(d, n)])\n"
    "    return float(np.abs(mine - slopes(d)).max())",
    M + "d = d.requires_grad_()\n    mean = torch.stack([goal(p) for p in d.split(len(d) // n)]).mean()\n"
    "    g = torch.autograd.grad(mean, d)[0]\n"
    "    return torch.linalg.vector_norm(g - torch.autograd.grad(goal(d), d)[0], float('inf'))",
]
START = M + "d = d.clone().requires_grad_()\n    whole = torch.autograd.grad(goal(d), d)[0]\n"
MEAN = "    mean = torch.autograd.grad(sum(goal(p) for p in d.chunk(n)) / n, d)[0]\n"
wrong_4 = {
    START + "    mean = torch.autograd.grad(sum(goal(p) for p in d.chunk(n)), d)[0]\n"
    "    return (mean - whole).abs().max()": "each part's slopes count 1 / n",
    START + "    mean = torch.autograd.grad(sum(goal(d[r::n]) for r in range(n)) / n, d)[0]\n"
    "    return (mean - whole).abs().max()": "stand in a row",
    START + MEAN + "    return (mean - whole).abs().mean()": "Not their mean",
    START + MEAN + "    return (mean - whole).abs().sum()": "Not their sum",
    START + MEAN + "    return (mean - whole).norm()": "Not the length of all",
    START + MEAN + "    return (mean - whole).max()": "Absolute values first",
    START + MEAN + "    return (mean - whole).square().max()": "not squares",
    START + MEAN + "    return (mean - whole).abs()": "a tensor",
    START + MEAN + "    return whole": "a tensor",
    M + "return (goal(d) - sum(goal(p) for p in d.chunk(n)) / n).abs()": "a step sees slopes",
    M + "return goal(d) - sum(goal(p) for p in d.chunk(n)) / n": "a step sees slopes",
    M + "return 0": "Only where the goal is a mean over samples",
    M + "return float('nan')": "it gives nan",
    M + "with torch.no_grad():\n        return torch.autograd.grad(goal(d), d)[0]": "slope is cut off",
    M + "return torch.autograd.grad(goal(d), d)[0].abs().max()": "slope is cut off",
    M + "d = d.requires_grad_()\n    return torch.autograd.grad(goal(d).item(), d)": "not iterable",
    M + "return 'none'": "it gives 'none'",
    "gap = lambda d, n: 0": "Keep the arguments",
    "gap = 0.0": "Wrong:",
}  # fmt: skip

NEED = "def growth(x, y, goal):\n    "
FIT = "u, v = x.log(), y.log()\n    b = -((u - u.mean()) * (v - v.mean())).sum() / (u - u.mean()).square().sum()\n    "
FIT += "a = v.mean() + b * u.mean()\n    "
right_5 = [
    NEED + FIT + "return torch.exp((a - math.log(goal)) / b) / x.max()",
    NEED + "import numpy as np\n    slope, a = np.polyfit(np.log(x.numpy()), np.log(y.numpy()), 1)\n"
    "    return np.exp((np.log(goal) - a) / slope) / x.numpy().max()",
    NEED + "slope, a = torch.linalg.lstsq(torch.stack([x.log(), torch.ones_like(x)], 1), y.log()[:, None])[0].flatten()"
    "\n    return float(((math.log(goal) - a) / slope).exp() / max(x))",
    NEED + "from scipy.stats import linregress\n    f = linregress(x.log10(), y.log10())\n"
    "    return 10 ** ((math.log10(goal) - f.intercept) / f.slope) / x.max().item()",
    NEED + "law = scaling.fit_law([{'x': float(p), 'distance': float(q), 'seed': s} for s in (0, 1)"
    " for p, q in zip(x, y)], ['x'])\n    a, b = law.each[0]\n"
    "    return math.exp((a - math.log(goal)) / b) / float(x.max())",
    NEED + FIT + "at_end = a.exp() * x.max() ** -b\n    return (at_end / goal) ** (1 / b)",
    NEED + "u, v = x.log2().tolist(), y.log2().tolist()\n    n, U, V = len(u), sum(u), sum(v)\n"
    "    slope = (n * sum(p * q for p, q in zip(u, v)) - U * V) / (n * sum(p * p for p in u) - U * U)\n"
    "    c = (V - slope * U) / n\n    return [2 ** ((math.log2(goal) - c) / slope) / x.amax()][0].unsqueeze(0)",
]  # fmt: skip
wrong_5 = {
    NEED + FIT + "return torch.exp((a - math.log(goal)) / b)": "That is x itself",
    NEED + FIT + "return torch.exp((a - math.log(goal)) / b) / x.min()": "the largest x, not the smallest",
    NEED + FIT + "return torch.exp((a - math.log(goal)) / b) / x[-1]": "the largest x, wherever it stands",
    NEED + FIT + "return torch.exp((a - math.log(goal)) / b) / x.mean()": "Fit log y over log x to all points",
    NEED + FIT + "return x.max() / torch.exp((a - math.log(goal)) / b)": "turned over",
    NEED + FIT + "return torch.exp((a - math.log(goal)) / b) - x.max()": "a factor, not a difference",
    NEED + FIT + "return (a - math.log(goal)) / b - x.max().log()": "the logarithm of the factor",
    NEED + FIT + "return (y[x.argmax()] / goal) ** (1 / b)": "Start from the line, not from the last point",
    NEED + FIT + "return (a.exp() * x.max() ** -b / goal) ** b": "Fit log y over log x to all points",
    NEED + FIT + "return b": "That is the exponent",
    NEED + "i, j = x.argmin(), x.argmax()\n    b = (y[i] / y[j]).log() / (x[j] / x[i]).log()\n"
    "    return (y[j] / goal) ** (1 / b)": "to all points",
    NEED + "s = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()\n"
    "    return ((goal - y.mean()) / s + x.mean()) / x.max()": "straight in the logarithms",
    NEED + "u, v = x.log(), y.log()\n    s = ((u - u.mean()) * (v - v.mean())).sum() / (v - v.mean()).square().sum()\n"
    "    return torch.exp(u.mean() + s * (math.log(goal) - v.mean())) / x.max()": "Fit log y over log x",
    NEED + "return y[x.argmax()] / goal": "the line gives x where",
    NEED + "return 4.0": "Wrong:",
    NEED + "return float('nan')": "it gives nan",
    NEED + "return 'four'": "it gives 'four'",
    NEED + "return x": "Wrong:",
    NEED + "return math.log(x)": "math and float() take one number",
    "growth = 4": "not callable",
    "growth = lambda x: x": "Keep the arguments",
}  # fmt: skip
