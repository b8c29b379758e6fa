"""Answers to the exercises of 11: see test_answers.py."""
# ruff: noqa: E501

LENGTH, FACTOR = "length_of_mean = lambda n: 8 / math.sqrt(n)\n", "factor = lambda n: n**0.5\n"
right_1 = [
    LENGTH + "factor = lambda n: math.sqrt(n)",
    "length_of_mean = lambda n: (64 / n) ** 0.5\nfactor = lambda n: 8 / length_of_mean(n)",
    "length_of_mean = lambda n: torch.tensor(64 / n).sqrt()\nfactor = lambda n: torch.tensor([float(n)]).sqrt()",
    "import numpy as np\nlength_of_mean = lambda n: np.float32(8) / np.sqrt(n)\nfactor = lambda n: np.sqrt(n)",
    "length_of_mean = lambda n: torch.randn(400, n, 64).mean(1).norm(dim=1).mean()\nfactor = lambda n: 7.97 / length_of_mean(n)",
    "length_of_mean = lambda n: 8 * math.exp(-0.5 * math.log(n))\nfactor = lambda n: torch.tensor(float(n)).sqrt().item()",
    "length_of_mean = lambda n: math.sqrt(2 / n) * math.exp(math.lgamma(32.5) - math.lgamma(32))\n" + FACTOR,
]
wrong_1 = {
    "length_of_mean = lambda n: 8 / n\n" + FACTOR: "the length goes with its root",
    "length_of_mean = lambda n: n**-0.5\n" + FACTOR: "deviation of one of the 64 entries",
    "length_of_mean = lambda n: 64 / n\n" + FACTOR: "the square of the length",
    "length_of_mean = lambda n: 8\n" + FACTOR: "the length of one z",
    "length_of_mean = lambda n: 8 * n**0.5\n" + FACTOR: "the length of their sum",
    "length_of_mean = factor = lambda n: n**0.5": "the factor, not the length",
    "length_of_mean = lambda n: 0.0\n" + FACTOR: "Of which size is each",
    "length_of_mean = lambda n: 5.66\n" + FACTOR: "Of which size is each",
    "length_of_mean = lambda n: float('nan')\n" + FACTOR: "NaN comes of",
    "length_of_mean = lambda n: '8 / √n'\n" + FACTOR: "it gives '8 / √n'",
    "length_of_mean = lambda n: [8 / math.sqrt(n), n]\n" + FACTOR: "a tensor (2,)",
    "length_of_mean = lambda n: torch.sqrt(64 / n)\n" + FACTOR: "must be Tensor",
    "length_of_mean = lambda: 8\n" + FACTOR: "Keep the arguments",
    "length_of_mean = lambda n: 8 / math.sqrt(n) if n < 50 else None\n" + FACTOR: "at n = 100 it gives None",
    LENGTH + "factor = lambda n: n": "the length has not shrunk by n",
    LENGTH + "factor = lambda n: n**-0.5": "what undoes it",
    LENGTH + "factor = lambda n: 8 * n**0.5": "64 long, not 8",
    LENGTH + "factor = lambda n: 8 / n**0.5": "the length of the mean, not the factor",
    LENGTH + "factor = lambda n: 1.0": "should be 8",
    LENGTH + "factor = math.sqrt(4)": "not callable",
}

PART = "without = lambda v, others: torch.nn.functional.normalize({}, dim=0)"
right_2 = [
    PART.format("v - torch.linalg.lstsq(others.T, v[:, None]).solution[:, 0] @ others"),
    "def without(v, others):\n    q = torch.linalg.qr(others.T)[0]\n    u = v - q @ (q.T @ v)\n    return u / u.norm()",
    PART.format("v - torch.linalg.pinv(others) @ (others @ v)"),
    PART.format("v - others.T @ torch.linalg.solve(others @ others.T, others @ v)"),
    "def without(v, others):\n    basis = []\n    for w in [*others, v]:\n        for b in basis:\n"
    "            w = w - (w @ b) * b\n        basis.append(w / w.norm())\n    return basis[-1]",
    "import numpy as np\ndef without(v, others):\n    v, others = v.numpy(), others.numpy()\n"
    "    u = v - np.linalg.lstsq(others.T, v, rcond=None)[0] @ others\n    return u / np.linalg.norm(u)",
    "def without(v, others):\n    u = v.clone()\n    for _ in range(2000):\n        for w in others:\n"
    "            u = u - (u @ w) / (w @ w) * w\n    return u / u.norm()",
    PART.format("torch.linalg.svd(others)[2][len(others) :].T @ (torch.linalg.svd(others)[2][len(others) :] @ v)"),
]
wrong_2 = {
    "without = lambda v, others: v - torch.linalg.pinv(others) @ (others @ v)": "The length is not 1",
    "without = lambda v, others: v": "something is left along the others",
    PART.format("torch.linalg.pinv(others) @ (others @ v) - v"): "points away from v",
    PART.format("torch.linalg.pinv(others) @ (others @ v)"): "the part to be taken away",
    PART.format("v - others.T @ (others @ v)"): "takes some parts twice",
    "def without(v, others):\n    for w in others:\n        v = v - (v @ w) * w\n    return v / v.norm()": "taking one after the other",
    PART.format("torch.linalg.svd(others)[2][-1]"): "Is it the nearest to v",
    PART.format("v - others.mean(0)"): "Is it the nearest to v",
    "without = lambda v, others: (v - others.T @ v) / v.norm()": "leads to RuntimeError",
    "without = lambda v, others: torch.ones(16) / 4": "Is it the nearest to v",
    "without = lambda v, others: 1.0": "it should give a tensor (16,)",
    "without = lambda v, others: v * float('nan')": "NaN comes of",
    "without = lambda v, others: [v]": "a tensor (1, 16)",
    "def without(v, others):\n    u = v - others[0] * (others[0] @ v)\n    return None if len(others) > 1 else u / u.norm()": "it gives None",
    "without = lambda v, others: 'v'": "it gives 'v'",
    "without = lambda v: v": "Keep the arguments",
    "def without(v, others):\n    v -= torch.linalg.pinv(others) @ (others @ v)\n    return v / v.norm()": "it changes v itself",
}

BEST = """
def best_Q(joint, group):
    together = torch.stack([joint[:, group == number].sum(1) for number in group])
    return together / together.sum(1, keepdim=True)
"""
LOST = """
def lost(joint, group):
    p_c, Q = joint.sum(1), best_Q(joint, group)
    floor = -(p_c * p_c.log()).sum() + (joint.T * Q.log()).sum()
    return (joint * (joint / (p_c[:, None] * joint.sum(0))).log()).sum() - floor
"""
right_3 = [
    BEST + LOST,
    BEST
    + "lost = lambda joint, group: (joint.T * (best_Q(joint, torch.arange(4)) / best_Q(joint, group)).log()).sum().item()",
    "def best_Q(joint, group):\n    same = (group[:, None] == group).to(joint)\n"
    "    return (same @ joint.T) / (same @ joint.sum(0))[:, None]\n" + LOST,
    "import numpy as np\ndef best_Q(joint, group):\n    joint, group = joint.numpy(), group.numpy()\n"
    "    rows = [joint[:, group == k].sum(1) / joint[:, group == k].sum() for k in group]\n    return np.array(rows)\n"
    "def lost(joint, group):\n    Q, p = best_Q(joint, group), (joint / joint.sum(0)).T.numpy()\n"
    "    return np.float32((joint.numpy().T * np.log(p / Q)).sum())",
    "def best_Q(joint, group):\n"
    "    sums = torch.zeros(3, 9, dtype=joint.dtype).index_add(1, group, joint)\n"
    "    return (sums / sums.sum(0))[:, group].T.float()\n" + LOST,
    "def best_Q(joint, group):\n    Q = []\n    for x in range(joint.shape[1]):\n        alike = [i for i in range(joint.shape[1]) if group[i] == group[x]]\n"
    "        total = sum(float(joint[c, i]) for c in range(len(joint)) for i in alike)\n"
    "        Q.append([sum(float(joint[c, i]) for i in alike) / total for c in range(len(joint))])\n    return Q\n"
    "def lost(joint, group):\n    Q, p = best_Q(joint, group), joint / joint.sum(0)\n"
    "    return sum(float(joint[c, x]) * math.log(p[c, x] / Q[x][c]) for c in range(3) for x in range(4))",
    BEST + "def lost(joint, group):\n    Q, p = best_Q(joint, group), (joint / joint.sum(0)).T\n"
    "    kl = (p * (p / Q).log()).sum(1)\n    return (joint.sum(0) * kl).sum()[None]",
]
wrong_3 = {
    "best_Q = lambda joint, group: (joint / joint.sum(0)).T\n" + LOST: "tells x of one group apart",
    "def best_Q(joint, group):\n    p = (joint / joint.sum(0)).T\n    return torch.stack([p[group == k].mean(0) for k in group])\n"
    + LOST: "Some x of a group are more frequent",
    "best_Q = lambda joint, group: joint.sum(1).expand(4, 3)\n" + LOST: "not even the group",
    BEST.replace("best_Q", "turned")
    + "best_Q = lambda joint, group: turned(joint, group).T\n"
    + LOST: "a tensor (3, 4)",
    "best_Q = lambda joint, group: torch.stack([joint[:, group == k].sum(1) for k in group])\n"
    + LOST: "should be probabilities of c",
    "best_Q = lambda joint, group: torch.full((4, 3), 1 / 3)\n" + LOST: "which share has this c",
    "best_Q = lambda joint, group: (joint / joint.sum(1, keepdim=True)).T\n" + LOST: "which share has this c",
    "best_Q = lambda joint, group: 0.5\n" + LOST: "it should give a tensor (4, 3)",
    "best_Q = lambda joint, group: joint.T * math.nan\n" + LOST: "NaN comes of",
    "best_Q = lambda joint: joint.T\n" + LOST: "Keep the arguments",
    "best_Q = lambda joint, group: joint[group]\n" + LOST: "IndexError",
    BEST
    + "lost = lambda joint, group: (joint * (joint / (joint.sum(1)[:, None] * joint.sum(0))).log()).sum()": "That is I(c; x) itself",
    BEST + LOST.replace("lost", "less") + "lost = lambda joint, group: -less(joint, group)": "Which term is left out",
    BEST
    + LOST.replace("lost", "less")
    + "lost = lambda joint, group: less(joint, group) / math.log(2)": "These are bits",
    BEST + LOST.replace(" - floor", "").replace("    return ", "    return floor + 0 * "): "That is the floor",
    BEST
    + "def lost(joint, group):\n    p = (joint / joint.sum(0)).T\n    return (p * (p / best_Q(joint, group)).log()).sum(1).mean()": "Its mean is over p(c, x)",
    BEST + "lost = lambda joint, group: 0.0": "Which term is left out",
    BEST + "lost = lambda joint, group: None if len(group.unique()) == 1 else 0.0": "it gives None",
    BEST + "lost = lambda joint, group: float('nan')": "NaN comes of",
    BEST + "lost = lambda joint, group: 'nats'": "it gives 'nats'",
    BEST + "lost = lambda joint, group: (joint.T * best_Q(joint, group).log()).sum(1)": "it should give one number",
}
