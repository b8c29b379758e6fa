"""Answers to the exercises of 17: see test_answers.py."""

W = "weighted = lambda loss_real, loss_fake, share: "
DEF_W = "def weighted(loss_real, loss_fake, share):\n    "
right_1 = [
    W + "(1 - share) * loss_real.mean() + share * loss_fake.mean()",
    W + "loss_real.mean() + share * (loss_fake.mean() - loss_real.mean())",
    W + "torch.lerp(loss_real.mean(), loss_fake.mean(), share)",
    W + "((1 - share) * loss_real.sum() / len(loss_real) + share * loss_fake.sum() / len(loss_fake)).reshape(1)",
    DEF_W + "total = 0.0\n    for v in loss_real:\n        total = total + (1 - share) * v / len(loss_real)\n"
    "    for v in loss_fake:\n        total = total + share * v / len(loss_fake)\n    return total",
    DEF_W + "a, b = len(loss_real), len(loss_fake)\n"
    "    weights = torch.cat([torch.full((a,), (1 - share) / a), torch.full((b,), share / b)])\n"
    "    return weights @ torch.cat([loss_real, loss_fake])",
    DEF_W + "import numpy as np\n    parts = torch.stack([loss_real.mean(), loss_fake.mean()])\n"
    "    return (torch.tensor(np.array([1 - share, share]), dtype=torch.float32) * parts).sum()",
]
wrong_1 = {
    W + "torch.cat([loss_real, loss_fake]).mean()": "their numbers set the share",
    W + "share * loss_real.mean() + (1 - share) * loss_fake.mean()": "changed places",
    W + "(1 - share) * loss_real.sum() + share * loss_fake.sum()": "A sum grows",
    W + "loss_real.mean() + share * loss_fake.mean()": "add up to 1",
    W + "(loss_real.mean() + loss_fake.mean()) / 2": "Where is share?",
    W + "torch.cat([(1 - share) * loss_real, share * loss_fake]).mean()": "Weigh the two means",
    W + "((1 - share) * loss_real.mean() + share * loss_fake.mean()).item()": "slope is cut off",
    W + "(1 - share) * loss_real.mean() + share * loss_fake.mean().detach()": "it has no slope",
    DEF_W
    + "with torch.no_grad():\n        return (1 - share) * loss_real.mean() + share * loss_fake.mean()": "no slope",
    W + "[(1 - share) * loss_real.mean(), share * loss_fake.mean()]": "it should give one number",
    W + "loss_real * (1 - share) + loss_fake * share": "it should give one number",
    W + "float('nan')": "NaN comes of",
    W + "'half'": "it should give",
    W + "torch.tensor(3.0)": "weighted mean of two means",
    DEF_W
    + "if share < 0.9:\n        return (1 - share) * loss_real.mean() + share * loss_fake.mean()": "it gives None",
    "weighted = 0.5": "not callable",
    "weighted = lambda loss_real, loss_fake: loss_real.mean()": "Keep the arguments",
    DEF_W + "loss_real.mul_(1 - share)\n    return loss_real.mean() + share * loss_fake.mean()": "in-place",
}

DEF_2 = "def back(p, shown, world):\n    "
right_2 = [
    "back = lambda p, shown, world: p * world / shown / (p * world / shown).sum(1, keepdim=True)",
    DEF_2 + "return (p.log() + world.log() - shown.log()).softmax(1)",
    DEF_2 + "return rare.reweighed(p, world / shown)",
    DEF_2 + "q = (p * (world / shown)).numpy()\n    return q / q.sum(axis=1, keepdims=True)",
    DEF_2 + "rows = []\n    for row in p:\n        q = [float(a * w / s) for a, w, s in zip(row, world, shown)]\n"
    "        rows.append([v / sum(q) for v in q])\n    return torch.tensor(rows)",
    DEF_2 + "f = 5 * world / shown\n    q = torch.einsum('nc,c->nc', p, f)\n    return (q.T / q.sum(1)).T.float()",
]
wrong_2 = {
    "back = lambda p, shown, world: p": "as they were",
    DEF_2 + "return p * world / shown": "add up to 1",
    DEF_2 + "return rare.reweighed(p, shown / world)": "the other way round",
    DEF_2 + "return rare.reweighed(p, world)": "as if all classes had been shown equally often",
    DEF_2 + "return rare.reweighed(p, 1 / shown)": "equally frequent in the world",
    DEF_2 + "q = p * world / shown\n    return q / q.sum(0)": "each row",
    DEF_2 + "q = p * world / shown\n    return q / q.sum()": "each row",
    DEF_2 + "return (p * world / shown).softmax(1)": "softmax takes logarithms",
    DEF_2 + "return rare.reweighed(p, world - shown + 1)": "factor of class c",
    DEF_2 + "return rare.reweighed(p, world / shown).argmax(1)": "it should give a tensor (1, 2)",
    DEF_2 + "return p * float('nan')": "NaN comes of",
    DEF_2 + "p *= world / shown\n    return p / p.sum(1, keepdim=True)": "changes p itself",
    "back = lambda p, world: p": "Keep the arguments",
    "back = 'Bayes'": "not callable",
    DEF_2 + "return rare.reweighed(p, world / shown) if len(p) < 2 else None": "gives None",
}

DEF_3 = "def images_worth(right, ns, curve):\n    "
right_3 = [
    DEF_3 + "import numpy as np\n    if right < curve[0]:\n        return 0.0\n    if right > curve[-1]:\n"
    "        return float('inf')\n    return np.exp(np.interp(right, curve, np.log(ns)))",
    DEF_3 + "import numpy as np\n    return 10 ** np.interp(right, curve, np.log10(ns), left=-np.inf, right=np.inf)",
    DEF_3 + "if right > curve[-1]:\n        return float('inf')\n    if right < curve[0]:\n        return 0\n"
    "    for a, b, low, high in zip(ns, ns[1:], curve, curve[1:]):\n        if low <= right <= high:\n"
    "            return a * (b / a) ** ((right - low) / (high - low))",
    DEF_3 + "if right > curve[-1] or right < curve[0]:\n        return torch.tensor(0.0 if right < curve[0] else "
    "float('inf'))\n    n, c = torch.tensor(ns).double().log(), torch.tensor(curve).double()\n"
    "    i = int((c <= right).sum().clamp(1, len(c) - 1))\n    t = (right - c[i - 1]) / (c[i] - c[i - 1])\n"
    "    return torch.exp(n[i - 1] + t * (n[i] - n[i - 1])).reshape(1)",
    DEF_3 + "from scipy.interpolate import interp1d\n    import numpy as np\n"
    "    f = interp1d(curve, np.log(ns), bounds_error=False, fill_value=(-np.inf, np.inf))\n"
    "    return np.float32(np.exp(f(right)))",
]
NP = "import numpy as np\n    "
ENDS = "if right < curve[0]:\n        return 0.0\n    if right > curve[-1]:\n        return float('inf')\n    "
wrong_3 = {
    DEF_3 + NP + ENDS + "return float(np.interp(right, curve, ns))": "linear in n",
    DEF_3 + NP + "return float(np.exp(np.interp(right, curve, np.log(ns))))": "off the ends",
    DEF_3 + NP + "return float(np.interp(right, curve, np.log(ns)))": "That is log n",
    DEF_3 + NP + ENDS + "return float(np.exp(np.interp(right, curve, np.log10(ns))))": "Linear in log n",
    DEF_3 + NP + ENDS + "return float(np.interp(right, ns, curve))": "Linear in log n",
    DEF_3 + ENDS + "return ns[min(i for i, c in enumerate(curve) if c >= right)]": "Linear in log n",
    DEF_3 + NP + ENDS + "return [float(np.exp(np.interp(right, curve, np.log(ns)))), 1.0]": "it should give one number",
    DEF_3 + ENDS + "return float('nan')": "NaN comes of",
    DEF_3 + NP + "if right > curve[-1]:\n        return None\n    if right < curve[0]:\n        return 0.0\n"
    "    return float(np.exp(np.interp(right, curve, np.log(ns))))": "it gives None",
    "images_worth = lambda right, ns, curve: ns.log().exp()": "'tuple' object has no",
    "images_worth = lambda right, ns, curve: '30 images'": "it should give",
    "images_worth = 30": "not callable",
    "images_worth = lambda right, ns: 0.0": "Keep the arguments",
    "images_worth = lambda right, ns, curve: 30.0": "Linear in log n",
}
