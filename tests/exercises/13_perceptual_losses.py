"""Answers to the exercises of 13: see test_answers.py."""

right_1 = [
    "unseen_2, unseen_4 = 14, 21",
    "unseen_2, unseen_4 = 14 * 1, 7 * 3.0",
    "import numpy as np\nunseen_2, unseen_4 = np.float32(14), np.array([21])",
    "unseen_2, unseen_4 = torch.tensor(14), torch.tensor([21])",
    "def not_seen(k):\n"
    "    pool = nn.functional.max_pool2d\n"
    "    return sum(torch.equal(pool(line(c), k), pool(line(c + 1), k)) for c in range(27))\n"
    "unseen_2, unseen_4 = not_seen(2), not_seen(4)",
]
wrong_1 = {
    "unseen_2, unseen_4 = 13, 6": "the moves that are seen",
    "unseen_2, unseen_4 = 14, 6": "the moves that are seen",
    "unseen_2, unseen_4 = 14, 7": "more than one move inside",
    "unseen_2, unseen_4 = 14, 28": "from its last one leads out of it",
    "unseen_2, unseen_4 = 28, 21": "holds two columns",
    "unseen_2, unseen_4 = 14, 14": "that is for 2 by 2",
    "unseen_2, unseen_4 = 21, 14": "a move inside a cell",
    "unseen_2, unseen_4 = 14 / 27, 21 / 27": "a move inside a cell",
    "unseen_2, unseen_4 = 14, 20": "how many moves stay inside",
    "unseen_2, unseen_4 = '14', 21": "without quotes",
    "unseen_2, unseen_4 = 14, float('nan')": "unseen_4 is nan",
    "unseen_2, unseen_4 = [14, 21], 21": "give one number",
    "unseen_2, unseen_4 = len, 21": "a function",
}

UNIT = "unit = lambda m: nn.functional.normalize(m, dim=1)\n"
right_2 = [
    UNIT + "unit_distance = lambda f, g: (unit(f) - unit(g)).square().sum(1).mean((1, 2))",
    "def unit_distance(f, g):\n"
    "    a, b = (m / m.norm(dim=1, keepdim=True).clamp(min=1e-10) for m in (f, g))\n"
    "    return ((a - b) ** 2).sum((1, 2, 3)) / (f.shape[2] * f.shape[3])",
    "def unit_distance(f, g):  # |a|² + |b|² − 2 a·b, where |a| and |b| are 1 or 0\n"
    "    cos = nn.functional.cosine_similarity(f, g, dim=1)\n"
    "    return (f.abs().amax(1) > 0).double().add(g.abs().amax(1) > 0).sub(2 * cos).mean((1, 2))",
    UNIT + "def unit_distance(f, g):\n"
    "    return torch.stack([(a - b).double().square().sum(0).mean() for a, b in zip(unit(f), unit(g))])",
    UNIT + "unit_distance = lambda f, g: torch.einsum('nchw,nchw->n', *[unit(f) - unit(g)] * 2) / f[0, 0].numel()",
    UNIT + "unit_distance = lambda f, g: nn.MSELoss(reduction='none')(unit(f), unit(g)).mean((2, 3)).sum(1)",
]
DIFFERENCE = UNIT + "apart = lambda f, g: unit(f) - unit(g)\n"
wrong_2 = {
    "unit_distance = lambda f, g: (f - g).square().sum(1).mean((1, 2))": "keep their length",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).square().mean((1, 2, 3))": "not their mean",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).square().sum((1, 2, 3))": "over places, not their sum",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).norm(dim=1).mean((1, 2))": "without the root",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).abs().sum(1).mean((1, 2))": "not its size",
    "unit_distance = lambda f, g: (2 - 2 * nn.functional.cosine_similarity(f, g)).mean((1, 2))": "two vectors that are",
    "unit_distance = lambda f, g: (1 - nn.functional.cosine_similarity(f, g)).mean((1, 2))": "That is 1 − cos",
    "unit_distance = lambda f, g: (f / f.norm(dim=1, keepdim=True) - g / g.norm(dim=1, keepdim=True))"
    ".square().sum(1).mean((1, 2))": "NaN comes of",
    "def unit_distance(f, g):\n"
    "    a, b = (nn.functional.normalize(m.flatten(1)).view_as(m) for m in (f, g))\n"
    "    return (a - b).square().sum(1).mean((1, 2))": "Each place has its own vector",
    "def unit_distance(f, g):\n"
    "    a, b = (nn.functional.normalize(m, dim=3) for m in (f, g))\n"
    "    return (a - b).square().sum(1).mean((1, 2))": "Each place has its own vector",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).square().sum(1).mean()": "it should give a tensor (3,)",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).square().sum(1)": "it should give a tensor (3,)",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).square().sum(1).mean((1, 2)).detach()": "it has no slope",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).square().sum(1).mean((1, 2)).tolist()": "it has no slope",
    UNIT + "unit_distance = lambda f, g: (unit(f).detach() - unit(g)).square().sum(1).mean((1, 2))": "it has no slope",
    UNIT + "unit_distance = lambda f, g: (unit(f) - unit(g).detach()).square().sum(1).mean((1, 2))": "it has no slope",
    DIFFERENCE + "def unit_distance(f, g):\n"
    "    with torch.no_grad():\n"
    "        return apart(f, g).square().sum(1).mean((1, 2))": "The slope is cut off",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).square().sum(1).mean((1, 2)).numpy()": "slope is cut off",
    "import numpy as np\n"
    "def unit_distance(f, g):\n"
    "    a, b = (np.array(m) / np.maximum(np.linalg.norm(m, axis=1, keepdims=True), 1e-10) for m in (f, g))\n"
    "    return np.square(a - b).sum(1).mean((1, 2))": "The slope is cut off",
    DIFFERENCE + "unit_distance = lambda f, g: apart(f, g).square().sum(1).mean((1, 2)).item()": "to RuntimeError",
    "unit_distance = lambda f, g: torch.zeros(len(f))": "it gives 0; it should give 0.08",
    "unit_distance = lambda f, g: f[:, 0, 0, 0] * float('nan')": "NaN comes of",
    "unit_distance = lambda f, g: 'far'": "it gives 'far'",
    UNIT + "def unit_distance(f, g):\n"
    "    if len(f) == 3:\n"
    "        return (unit(f) - unit(g)).square().sum(1).mean((1, 2))": "it gives None",
    "def unit_distance(f, g):\n"
    "    f /= f.norm(dim=1, keepdim=True) + 1e-10\n"
    "    g /= g.norm(dim=1, keepdim=True) + 1e-10\n"
    "    return (f - g).square().sum(1).mean((1, 2))": "changes f itself",
    "unit_distance = lambda f: f.square().sum(1).mean((1, 2))": "leads to TypeError",
}

right_3 = [
    "disguised = lambda x, y, W: y + torch.linalg.pinv(W) @ (W @ (x - y))",
    "disguised = lambda x, y, W: y - W.T @ torch.linalg.solve(W @ W.T, W @ y - W @ x)",
    "def disguised(x, y, W):\n"
    "    Q = torch.linalg.svd(W, full_matrices=False).Vh\n"
    "    return y - Q.T @ (Q @ y) + Q.T @ (Q @ x)",
    "def disguised(x, y, W):  # what W does not see of y, what it sees of x\n"
    "    Q, R = torch.linalg.qr(W.T)\n"
    "    return (y - Q @ Q.T @ y + Q @ Q.T @ x).float()",
    "import numpy as np\n"
    "def disguised(x, y, W):\n"
    "    x, y, W = (np.array(m) for m in (x, y, W))\n"
    "    return y + np.linalg.lstsq(W, W @ (x - y), rcond=None)[0]",
    "def disguised(x, y, W):  # multipliers: z − y = Wᵀ m and W z = W x\n"
    "    k, n = W.shape\n"
    "    A = torch.zeros(n + k, n + k, dtype=W.dtype)\n"
    "    A[:n, :n], A[:n, n:], A[n:, :n] = torch.eye(n), W.T, W\n"
    "    return torch.linalg.solve(A, torch.cat([y, W @ x]))[:n].tolist()",
    "def disguised(x, y, W):  # one row after the other, again and again (Kaczmarz)\n"
    "    z = y.clone()\n"
    "    for _ in range(60):\n"
    "        for w in W:\n"
    "            z += (w @ (x - z)) / (w @ w) * w\n"
    "    return z",
]
wrong_3 = {
    "disguised = lambda x, y, W: x": "others that have them are nearer",
    "disguised = lambda x, y, W: y": "but W sees y",
    "disguised = lambda x, y, W: torch.linalg.pinv(W) @ (W @ x)": "the one nearest to 0",
    "disguised = lambda x, y, W: x + torch.linalg.pinv(W) @ (W @ (y - x))": "The other way round",
    "disguised = lambda x, y, W: y - torch.linalg.pinv(W) @ (W @ (x - y))": "wrong sign",
    "disguised = lambda x, y, W: y + W.T @ (W @ (x - y))": "only where W Wᵀ is the unit matrix",
    "disguised = lambda x, y, W: y + ((W @ (x - y)) / W.square().sum(1)) @ W": "Rows overlap",
    "disguised = lambda x, y, W: y + ((W @ (x - y)) / W.norm(dim=1)) @ W": "Is W z = W x?",
    "disguised = lambda x, y, W: (x + y) / 2": "half-way features",
    "disguised = lambda x, y, W: y + torch.linalg.pinv(W) @ (W @ x)": "Is W z = W x?",
    "def disguised(x, y, W):\n"
    "    z = y.clone()\n"
    "    for w in W:\n"
    "        z += (w @ (x - z)) / (w @ w) * w\n"
    "    return z": "for W = [[1, 0, 0], [1, 1, 0]]",
    "def disguised(x, y, W):  # x's features, but by its first pixels alone\n"
    "    z = y.clone()\n"
    "    z[:len(W)] += torch.linalg.solve(W[:, :len(W)], W @ (x - y))\n"
    "    return z": "z − y hold nothing that W does not see",
    "disguised = lambda x, y, W: W @ x": "it should give",
    "disguised = lambda x, y, W: (y + torch.linalg.pinv(W) @ (W @ (x - y)))[None]": "it gives a tensor (1, 2)",
    "disguised = lambda x, y, W: y + torch.linalg.inv(W) @ (W @ (x - y))": "square matrices",
    "disguised = lambda x, y, W: (y + torch.linalg.pinv(W) @ (W @ (x - y))).norm().item()": "it gives one number",
    "disguised = lambda x, y, W: torch.zeros_like(x)": "Is W z = W x?",
    "disguised = lambda x, y, W: x * float('nan')": "NaN comes of",
    "disguised = lambda x, y, W: 'x'": "it gives 'x'",
    "disguised = lambda x, y, W: [None] * len(x)": "it gives [None",
    "def disguised(x, y, W):\n"
    "    if len(x) == 2:\n"
    "        return y + torch.linalg.pinv(W) @ (W @ (x - y))": "it gives None",
    "def disguised(x, y, W):\n    y += torch.linalg.pinv(W) @ (W @ (x - y))\n    return y": "changes y itself",
    "disguised = lambda x, W: x": "leads to TypeError",
    "disguised = 'z'": "not callable",
}
