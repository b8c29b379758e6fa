"""Answers to the exercises of 14: see test_answers.py."""

right_1 = [
    "after_4, after_5 = 46, 94",
    "after_4, after_5 = 3 * 2**4 - 2, 3 * 2**5 - 2.0",
    "after_4, after_5 = torch.tensor(46), np.array([94])",
    "after_4, after_5 = (1 + sum(3 * 2**i for i in range(n)) for n in (4, 5))  # forwards",
    "def reached(n):  # which pixels have a slope\n"
    "    net = torch.nn.Sequential(*[torch.nn.Conv1d(1, 1, 4, 2) for _ in range(n)])\n"
    "    x = torch.zeros(1, 1, 200, requires_grad=True)\n"
    "    torch.autograd.grad(net(x)[0, 0, 1], x)\n"
    "    return (torch.autograd.grad(net(x)[0, 0, 1], x)[0] != 0).sum()\n"
    "after_4, after_5 = reached(4), reached(5)",
]
wrong_1 = {
    "after_4, after_5 = 16, 32": "16 is 2⁴, the strides alone",
    "after_4, after_5 = 16, 20": "or 4 · 4",
    "after_4, after_5 = 26, 30": "lie several pixels apart",
    "after_4, after_5 = 88, 352": "do not stand side by side",
    "after_4, after_5 = 44, 88": "how far does the last one reach?",
    "after_4, after_5 = 48, 100": "so where does the last one begin?",
    "after_4, after_5 = 31, 63": "for kernel 3",
    "after_4, after_5 = 94, 46": "that is with five",
    "after_4, after_5 = 46, 46": "that is with four",
    "after_4, after_5 = 46, 92": "need more than 92",
    "after_4, after_5 = 46, 190": "that is with six",
    "after_4, after_5 = 46, 32": "the kernels overlap, and each adds",
    "after_4, after_5 = 46, 70": "go back once more",
    "after_4, after_5 = 70, 94": "Where does the last one end?",
    "after_4, after_5 = '46', 94": "without quotes",
    "after_4, after_5 = 46, float('nan')": "after_5 is nan",
    "after_4, after_5 = (46, 94), 94": "give one number",
}

COST = "cost = lambda x, a, w: torch.where(x > a, w * (x - a), a - x)\n"
right_2 = [
    COST + "def best_answers(possible, w):\n"
    "    if_a = torch.stack([cost(possible, a, w).sum(0) for a in possible])\n"
    "    return possible.gather(0, if_a.argmin(0, keepdim=True))[0], possible.mean(0)",
    "def best_answers(possible, w):\n"
    "    share = torch.arange(1, len(possible) + 1) / len(possible)\n"
    "    k = int((share < w / (1 + w)).sum())\n"
    "    return [possible.sort(0).values[k], possible.double().mean(0)]",
    "def best_answers(possible, w):\n"
    "    x = np.array(possible)\n"
    "    return np.quantile(x, w / (1 + w), axis=0, method='inverted_cdf'), x.mean(0)",
    COST + "def best_answers(possible, w):  # by steps downhill from the median, one value at a time\n"
    "    x = possible.sort(0).values.flatten(1).T\n"
    "    best = [min(p.tolist(), key=lambda a: cost(p, torch.tensor(a), w).sum().item()) for p in x]\n"
    "    return torch.tensor(best).view(possible.shape[1:]), torch.stack([*possible]).mean(0)",
    "def best_answers(possible, w):\n"
    "    dearer = torch.cat([possible] * 3) if w == 1 else possible\n"
    "    rank = -(-len(dearer) * w // (1 + w))\n"
    "    return torch.stack([dearer.kthvalue(int(rank), 0)[0], possible.sum(0) / len(possible)])",
]
MEAN = "possible.mean(0)"
wrong_2 = {
    f"best_answers = lambda possible, w: (possible.median(0).values, {MEAN})": "best without a lean",
    f"best_answers = lambda possible, w: ({MEAN}, possible.median(0).values)": "best for squares",
    f"best_answers = lambda possible, w: ({MEAN}, {MEAN})": "best for squares",
    f"best_answers = lambda possible, w: (possible.median(0), {MEAN})": "made of .values",
    "best_answers = lambda possible, w: possible.median(0)": "best without a lean",
    f"best_answers = lambda possible, w: (possible.kthvalue(1, 0)[0], {MEAN})": "gives -1; it",
    "def best_answers(possible, w):\n"
    "    return possible.sort(0).values[int(len(possible) / (1 + w))], possible.mean(0)": "leans the other way",
    f"best_answers = lambda possible, w: (possible.quantile(w / (1 + w), 0), {MEAN})": "Between two of the values",
    COST + "def best_answers(possible, w):\n"
    "    return min(possible, key=lambda a: cost(possible, a, w).mean()), possible.mean(0)": "Each pixel may take",
    f"best_answers = lambda possible, w: (possible.amax(0), {MEAN})": "what do the brighter ones save?",
    f"best_answers = lambda possible, w: (w * {MEAN}, {MEAN})": "what do the brighter ones save?",
    "def best_answers(possible, w):\n"
    "    k = -int(-len(possible) * w // (1 + w)) - 1\n"
    "    first = possible.sort(0).values[k]\n"
    "    return first, possible.median(0).values": "The median is for L1",
    "def best_answers(possible, w):\n"
    "    k = -int(-len(possible) * w // (1 + w)) - 1\n"
    "    first = possible.sort(0).values[k]\n"
    "    return first, first": "set the derivative",
    "def best_answers(possible, w):\n"
    "    k = -int(-len(possible) * w // (1 + w)) - 1\n"
    "    return possible.sort(0).values[k], possible.mean()": "it gives one number",
    f"best_answers = lambda possible, w: (possible.median().item(), {MEAN})": "it gives 0.25; it should give 1",
    f"best_answers = lambda possible, w: {MEAN}": "return two pictures",
    "best_answers = lambda possible, w: 0.5": "return two pictures",
    f"best_answers = lambda possible, w: ('dark', {MEAN})": "it gives 'dark'",
    f"best_answers = lambda possible, w: (possible[0] * float('nan'), {MEAN})": "NaN comes of",
    "def best_answers(possible, w):\n"
    "    if len(possible) == 7:\n"
    "        return possible.median(0).values, possible.mean(0)": "not subscriptable",
    "def best_answers(possible, w):\n"
    "    k = -int(-len(possible) * w // (1 + w)) - 1\n"
    "    possible[:] = possible.sort(0).values\n"
    "    return possible[k], possible.mean(0)": "changes possible itself",
    "best_answers = lambda possible: (possible.median(0).values, possible.mean(0))": "leads to TypeError",
    "best_answers = 0.5, 0.5": "not callable",
}

MET = "met = lambda p: p.sum(1, keepdims=True) * p.sum(0, keepdims=True)\n"
right_3 = [
    MET + "fooling = lambda p: 2 * p - met(p)",
    "fooling = lambda p: p + (p - p.sum(1).outer(p.sum(0)))",
    "def fooling(p):  # cell by cell, in lists\n"
    "    rows, columns = p.sum(1).tolist(), p.sum(0).tolist()\n"
    "    return [[2 * p[i][j].item() - r * c for j, c in enumerate(columns)] for i, r in enumerate(rows)]",
    "def fooling(p):\n    p = np.array(p)\n    return np.float32(2) * p - np.outer(p.sum(1), p.sum(0))",
    MET + "def fooling(p):  # G learns: least squares between true and wrong pairs\n"
    "    q = torch.full_like(p, 1 / p.numel(), requires_grad=True)\n"
    "    for _ in range(200):\n"
    "        slope, = torch.autograd.grad((p - (q + met(p)) / 2).square().sum(), q)\n"
    "        q = (q - slope).detach().requires_grad_()\n"
    "    return q",
    MET + "fooling = lambda p: torch.distributions.Categorical(probs=(2 * p - met(p)).clamp(min=0).flatten())"
    ".probs.view_as(p)",
]
wrong_3 = {
    "fooling = lambda p: p": "half of the wrong pairs are not fakes",
    MET + "fooling = met": "does not look at its outline",
    MET + "fooling = lambda p: (p + met(p)) / 2": "Is D fooled by them?",
    "fooling = lambda p: 2 * p - 1 / p.numel()": "not all equally frequent",
    "fooling = lambda p: 2 * p": "It sums to 2",
    MET + "fooling = lambda p: p - met(p)": "a half each of the wrong pairs",
    MET + "fooling = lambda p: 2 * met(p) - p": "have changed places",
    MET + "fooling = lambda p: (2 * p - met(p)) / p.sum(0)": "not of a picture given its outline",
    MET + "fooling = lambda p: 3 * p - 2 * met(p)": "among all wrong pairs together?",
    MET + "fooling = lambda p: p**2 / met(p)": "among all wrong pairs together?",
    MET + "fooling = lambda p: (p / met(p)).log()": "among all wrong pairs together?",
    "fooling = lambda p: p / p.sum(0)": "among all wrong pairs together?",
    "fooling = lambda p: torch.full_like(p, 1 / p.numel())": "among all wrong pairs together?",
    "fooling = lambda p: torch.full_like(p, 0.5)": "among all wrong pairs together?",
    "fooling = lambda p: 0.5": "it gives one number; it should give a tensor (2, 2)",
    MET + "fooling = lambda p: (2 * p - met(p)).sum().item()": "it gives one number",
    MET + "fooling = lambda p: (2 * p - met(p)).flatten()": "it gives a tensor (4,)",
    MET + "fooling = lambda p: (2 * p - met(p)).log().log().exp().exp()": "NaN comes of",
    "fooling = lambda p: 'true'": "it gives 'true'",
    MET + "def fooling(p):\n    if len(p) == 2:\n        return 2 * p - met(p)": "it gives None",
    MET + "def fooling(p):\n    m = met(p)\n    p *= 2\n    return p - m": "changes p itself",
    "fooling = lambda: 1": "Keep the arguments",
    "fooling = [[0.35, 0.15], [0.15, 0.35]]": "not callable",
}
