"""Answers to the exercises of 24_gans_after_2024, right and wrong: see test_answers.py."""

WALK = "def walk(v, z, n):\n    "
WALKS = WALK + "x = z\n    for i in range({0}):\n        x = x + v({1}, {2}) / {3}\n    return x"
right_1 = [
    WALKS.format("n", "x", "i / n", "n"),
    "from ganedu.topics.one_step import euler\nwalk = lambda v, z, n: euler(v, z, n)",
    WALK + "dt, t = 1 / n, 0.0\n    while t < 1 - dt / 2:\n        z = z + dt * v(z, t)\n        t += dt\n    return z",
    WALK + "for t in torch.arange(n) / n:\n        z = z + v(z, t) / n\n    return z",
    WALK + "for t in torch.linspace(0, 1, n + 1)[:-1].tolist():\n        z = z + v(z, t) * (1 / n)\n    return z",
    WALK + "x = z.clone()\n    for i in range(n):\n        x += v(x, torch.full((len(x),), i / n)) / n\n    return x",
    WALK + "with torch.no_grad():\n        for i in range(n):\n            z = z + v(z, i / n) / n\n"
    "    return z.numpy()",
    "def walk(v, z, n, i=0):\n    return z if i == n else walk(v, z + v(z, i / n) / n, n, i + 1)",
]
wrong_1 = {
    WALKS.format("n", "x", "i / n", "1"): "divide v by n",
    WALKS.format("n", "x", "(i + 1) / n", "n"): "when the step begins",
    WALKS.format("n", "x", "i / max(1, n - 1)", "n"): "the last not at 1",
    WALKS.format("n", "x", "1 - i / n", "n"): "from 0, noise, to 1, data",
    WALKS.format("n", "x", "0", "n"): "The time moves on",
    WALKS.format("n", "z", "i / n", "n"): "at the place reached so far",
    WALKS.format("n + 1", "x", "i / n", "n"): "One step too many",
    WALKS.format("n - 1", "x", "i / n", "n"): "A step is missing",
    WALKS.format("1", "x", "i / n", "1"): "one step, whatever n is",
    WALKS.format("n", "x", "i", "n"): "x + v(x, i/n) / n",
    WALK + "return z": "where it starts",
    WALK + "x = z\n    for i in range(n):\n        x = x - v(x, i / n) / n\n    return x": "x + v(x, i/n) / n",
    WALK + "x = z\n    for i in range(n):\n        x = x + v(x, i / n) / n\n    return x - z": "give the place",
    WALK + "for i in range(n):\n        z += v(z, i / n) / n\n    return z": "it changes z itself",
    WALK + "return z.mean()": "it should give",
    WALK + "return z * float('nan')": "it gives",
    WALK + "return v(z)": "leads to",
    "walk = 3": "not callable",
}

KEEP = "keep_chance = lambda D, M: "
right_2 = [
    KEEP + "(D / (1 - D) / M).clamp(max=1)",
    KEEP + "(D.logit() - math.log(M)).exp().clamp(max=1)",
    KEEP + "density_ratio.acceptance(D.logit(), math.log(M))",
    KEEP + "torch.minimum(D / (M * (1 - D)), torch.ones_like(D))",
    "def keep_chance(D, M):\n    return [min(1.0, float(p) / (1 - float(p)) / M) for p in D]",
    "def keep_chance(D, M):\n    import numpy as np\n    d = D.numpy()\n    return np.minimum(1, d / (1 - d) / M)",
    "def keep_chance(D, M):\n    ratio = 1 / (1 / D - 1)\n    return torch.where(ratio > M, 1.0, ratio / M)",
]
wrong_2 = {
    KEEP + "D / (1 - D) / M": "at most 1",
    KEEP + "D / (1 - D)": "divide by its bound",
    KEEP + "(D / (1 - D)).clamp(max=1)": "divide by its bound",
    KEEP + "D": "That is D",
    KEEP + "D / M": "not p/q",
    KEEP + "(D / M).clamp(max=1)": "not p/q",
    KEEP + "((1 - D) / D / M).clamp(max=1)": "The other way round",
    KEEP + "(D.logit() / M).clamp(max=1)": "take its exponential",
    KEEP + "(D.exp() / M).clamp(max=1)": "D is a probability",
    KEEP + "(D / (1 - D) - M).exp().clamp(max=1)": "the ratio is divided by M",
    KEEP + "(D / (1 - D) * M).clamp(max=1)": "divide by M",
    KEEP + "D.mean()": "Wrong:",
    KEEP + "D * float('nan')": "it gives",
    KEEP + "'often'": "it gives 'often'",
    "keep_chance = lambda D: D": "Keep the arguments",
    "keep_chance = 0.25": "not callable",
    "def keep_chance(D, M):\n    D /= M\n    return D": "changes D itself",
}  # fmt: skip

LEASH = "leashed = lambda q0, r, beta: "
right_3 = [
    LEASH + "(q0.log() + r / beta).softmax(0)",
    LEASH + "torch.softmax(torch.log(q0) + r / beta, -1)",
    "def leashed(q0, r, beta):\n    w = q0 * ((r - r.max()) / beta).exp()\n    return w / w.sum()",
    "def leashed(q0, r, beta):\n    import numpy as np\n    a = np.log(q0.numpy()) + r.numpy() / beta\n"
    "    w = np.exp(a - a.max())\n    return w / w.sum()",
    "def leashed(q0, r, beta):\n    a = q0.log() + r / beta\n    return (a - a.logsumexp(0)).exp()",
    "def leashed(q0, r, beta):\n    top = max(r.tolist())\n"
    "    w = [q * math.exp((x - top) / beta) for q, x in zip(q0.tolist(), r.tolist())]\n"
    "    return [x / sum(w) for x in w]",
    "def leashed(q0, r, beta):\n    q0, r = q0.double(), r.double()\n    return (q0.log() + r / beta).softmax(0)",
]
wrong_3 = {
    LEASH + "q0 * (r / beta).exp()": "add up to 1",
    LEASH + "(r / beta).softmax(0)": "The start q₀ is missing",
    LEASH + "(q0 + r / beta).softmax(0)": "Add log q₀",
    LEASH + "(q0.log() + r * beta).softmax(0)": "divide by it",
    LEASH + "(q0.log() + r).softmax(0)": "β is missing",
    LEASH + "(beta * q0.log() + r).softmax(0)": "divide r by it",
    LEASH + "q0": "That is the start",
    LEASH + "torch.eye(6)[r.argmax()]": "without a leash",
    LEASH + "(q0.log() - r / beta).softmax(0)": "mind the sign",
    LEASH + "q0.log() + r / beta": "These are logarithms",
    LEASH + "(q0.log() + r / beta).log_softmax(0)": "take the exponential",
    "def leashed(q0, r, beta):\n    w = q0 * (r / beta).exp()\n    return w / w.sum()": "exp overflows",
    "def leashed(q0, r, beta):\n    w = q0 * (r.clamp(max=5) / beta).exp()\n    return w / w.sum()": "near 1,000",
    LEASH + "(q0.log() + r / beta).softmax(0) * float('nan')": "it gives",
    LEASH + "1.0": "Wrong:",
    "leashed = lambda q0, r: q0": "Keep the arguments",
    "def leashed(q0, r, beta):\n    r -= r.max()\n    return (q0.log() + r / beta).softmax(0)": "changes r itself",
}  # fmt: skip

BALANCE = "def balance(rec, game, w):\n    "
V = "v = w.clone().requires_grad_()\n    "
PULL = "a, b = (torch.autograd.grad(f(v), v)[0] for f in (rec, game))\n    "
right_4 = [
    BALANCE + V + PULL + "return a.norm() / (b.norm() + 1e-4)",
    BALANCE + V + PULL + "return (a ** 2).sum().sqrt() / ((b ** 2).sum().sqrt() + 0.0001)",
    BALANCE + V + PULL + "return float(torch.linalg.vector_norm(a)) / (float(torch.linalg.vector_norm(b)) + 1e-4)",
    BALANCE + V + "rec(v).backward()\n    a = v.grad.norm().item()\n    v.grad = None\n    game(v).backward()\n"
    "    return a / (v.grad.norm().item() + 1e-4)",
    "def balance(rec, game, w):\n    import numpy as np\n    sizes = []\n    for f in (rec, game):\n"
    "        v = w.detach().clone().requires_grad_(True)\n        f(v).backward()\n"
    "        sizes.append(np.linalg.norm(v.grad.numpy().ravel()))\n    return sizes[0] / (sizes[1] + 1e-4)",
    BALANCE + "a, b = torch.func.grad(rec)(w), torch.func.grad(game)(w)\n    return a.norm() / (b.norm() + 1e-4)",
    BALANCE + "w.requires_grad_()\n    a, = torch.autograd.grad(rec(w), w)\n    b, = torch.autograd.grad(game(w), w)\n"
    "    return (a.flatten() @ a.flatten()).sqrt() / ((b.flatten() @ b.flatten()).sqrt() + 1e-4)",
]
wrong_4 = {
    BALANCE + V + PULL + "return b.norm() / (a.norm() + 1e-4)": "Upside down",
    BALANCE + V + PULL + "return a.norm() / b.norm()": "Add δ below the line",
    BALANCE + V + PULL + "return (a ** 2).sum() / ((b ** 2).sum() + 1e-4)": "take the root",
    BALANCE + V + PULL + "return a.abs().sum() / (b.abs().sum() + 1e-4)": "sums sizes",
    BALANCE + V + PULL + "return a.abs().mean() / (b.abs().mean() + 1e-4)": "mean of sizes",
    BALANCE + V + PULL + "return a.abs().max() / (b.abs().max() + 1e-4)": "largest entry",
    BALANCE + V + PULL + "return a.sum() / (b.sum() + 1e-4)": "cancel in a sum",
    BALANCE + V + PULL + "return a.norm() / (b.norm() + 1)": "δ is 0.0001",
    BALANCE + "return rec(w) / (game(w) + 1e-4)": "not their slopes",
    BALANCE + V + "rec(v).backward()\n    a = v.grad.norm()\n    game(v).backward()\n"
    "    return a / (v.grad.norm() + 1e-4)": "Reset .grad: it adds.",
    BALANCE + V + PULL + "return a / (b + 1e-4)": "it should give one number",
    BALANCE + V + PULL + "return a.norm() / (b.norm() + 1e-2)": "over that of game plus δ",
    BALANCE + "return torch.autograd.grad(rec(w), w)[0].norm()": "does not require grad",
    BALANCE + V + "a, = torch.autograd.grad(rec(v).item(), v)\n    return a.norm()": "Wrong:",
    BALANCE + "return 1.0": "Wrong:",
    BALANCE + "return float('nan')": "it gives nan",
    BALANCE + "return 'half'": "it gives 'half'",
    "balance = lambda rec, game: 1.0": "Keep the arguments",
    "balance = 0.5": "not callable",
}

BEST = "def best_velocity(x, t, points):\n    "
FAR = "far = (x[:, None] - t * points).square().sum(2)\n    w = ({0}).softmax({1})\n    return {2}"
WEIGHTS, MEAN = "-far / (2 * (1 - t) ** 2)", "(w @ points - x) / (1 - t)"
right_5 = [
    BEST + FAR.format(WEIGHTS, 1, MEAN),
    BEST + "z = (x[:, None] - t * points) / (1 - t)\n    p = torch.exp(-z.square().sum(2) / 2)\n"
    "    return ((points - z) * p[:, :, None]).sum(1) / p.sum(1)[:, None]",
    "from ganedu.topics.one_step import exact_velocity as best_velocity",
    BEST + "import numpy as np\n    out = []\n    for a in x.numpy():\n        z = (a - t * points.numpy()) / (1 - t)\n"
    "        p = np.exp(-(z**2).sum(1) / 2)\n        out.append((p[:, None] * (points.numpy() - z)).sum(0) / p.sum())\n"
    "    return np.array(out)",
    BEST + "w = (-torch.cdist(x, t * points) ** 2 / 2 / (1 - t) ** 2).softmax(-1)\n"
    "    return torch.einsum('nk,nkd->nd', w, (points - x[:, None]) / (1 - t))",
    BEST + "normal = torch.distributions.Normal(0, 1)\n    z = (x[:, None] - t * points) / (1 - t)\n"
    "    w = normal.log_prob(z).sum(2).softmax(1)\n    return [(w[i, :, None] * (points - z[i])).sum(0) "
    "for i in range(len(x))]",
    BEST + "x, points = x.double(), points.double()\n    " + FAR.format(WEIGHTS, 1, MEAN),
]
wrong_5 = {
    BEST + "return (points.mean(0) - x) / (1 - t)": "Weigh each point",
    BEST + "a = torch.cdist(x, t * points).argmin(1)\n    return (points[a] - x) / (1 - t)": "Not the likeliest alone",
    BEST + FAR.format(WEIGHTS, 1, "w @ points - x"): "(x_k − x) / (1 − t)",
    BEST + FAR.format(WEIGHTS, 1, "w @ points"): "give a velocity",
    BEST + FAR.format(WEIGHTS, 1, "(x - w @ points) / (1 - t)"): "The other way round",
    BEST + FAR.format("-far / (1 - t) ** 2", 1, MEAN): "the half is missing",
    BEST + FAR.format("-far / (2 * (1 - t))", 1, MEAN): "the square of 1 − t",
    BEST + FAR.format("-far / 2", 1, MEAN): "its square is divided",
    BEST + FAR.format("far / (2 * (1 - t) ** 2)", 1, MEAN): "A far z is less likely",
    BEST + FAR.format(WEIGHTS, 0, MEAN): "softmax over points",
    BEST + FAR.replace("t * points", "points").format(WEIGHTS, 1, MEAN): "not with x_k",
    BEST + FAR.format("-far.sqrt() / (2 * (1 - t) ** 2)", 1, MEAN): "Weights: softmax over k",
    BEST + FAR.format(WEIGHTS, 1, "((w @ points - x) / (1 - t)).mean(0)"): "it should give",
    BEST + "return points - x": "leads to",
    BEST + "return x * float('nan')": "it gives",
    BEST + "return 'to the points'": "it gives 'to the points'",
    "best_velocity = None": "not callable",
}
