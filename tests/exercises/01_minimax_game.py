"""Answers to the exercises of 01: see test_answers.py."""

right_1 = [
    "best_answer, value_at_equilibrium = 0.75, -math.log(4)",
    "best_answer, value_at_equilibrium = 3 / 4, 2 * math.log(1 / 2)",
    "best_answer, value_at_equilibrium = 0.75, -1.39  # rounded",
    "best_answer = torch.sigmoid(torch.tensor(3.0).log())\nvalue_at_equilibrium = -torch.tensor([4.0]).log()",
    "import numpy\nbest_answer, value_at_equilibrium = numpy.float32(0.75), numpy.array(-1.386)",
]
wrong_1 = {
    "best_answer, value_at_equilibrium = 0.25, -1.386": "the share of fake",
    "best_answer, value_at_equilibrium = 0.5, -1.386": "where p = q",
    "best_answer, value_at_equilibrium = 3, -1.386": "are the odds",
    "best_answer, value_at_equilibrium = math.log(3), -1.386": "the best logit",
    "best_answer, value_at_equilibrium = 0.3, -1.386": "share of real among all",
    "best_answer, value_at_equilibrium = '3/4', -1.386": "without quotes",
    "best_answer, value_at_equilibrium = [0.75], -1.386": "best_answer is [0.75]; give one number",
    "best_answer, value_at_equilibrium = float('nan'), -1.386": "best_answer is nan",
    "best_answer, value_at_equilibrium = lambda p, q: p / (p + q), -1.386": "a function",
    "best_answer, value_at_equilibrium = 0.75, -math.log(2)": "twice, for real and for fake",
    "best_answer, value_at_equilibrium = 0.75, math.log(4)": "the sign",
    "best_answer, value_at_equilibrium = 0.75, -2.0": "to the base 2",
    "best_answer, value_at_equilibrium = 0.75, 0.0": "but V is not",
    "best_answer, value_at_equilibrium = 0.75, 0.5": "both terms count",
    "best_answer, value_at_equilibrium = 0.75, '-log 4'": "without quotes",
    "best_answer, value_at_equilibrium = 0.75, torch.zeros(2)": "has the shape (2,)",
}

right_2 = [
    "best_least_squares = lambda p, q: p / (p + q)",
    "best_least_squares = lambda p, q: 1 / (1 + q / p)",
    "best_least_squares = lambda p, q: 1 - q / (p + q)",
    "best_least_squares = lambda p, q: torch.tensor([p / (p + q)])",
    "import numpy\nbest_least_squares = lambda p, q: numpy.float32(p) / (p + q)",
    "def best_least_squares(p, q):\n"
    "    return min((i / 10000 for i in range(10001)), key=lambda d: p * (d - 1) ** 2 + q * d**2)",
]
wrong_2 = {
    "best_least_squares = lambda p, q: q / (p + q)": "at d = 1",
    "best_least_squares = lambda p, q: (p - q) / (p + q)": "targets 1 and -1",
    "best_least_squares = lambda p, q: math.log(p / q)": "best logit under cross-entropy",
    "best_least_squares = lambda p, q: p / q": "both belong to it",
    "best_least_squares = lambda p, q: p * q / 2 / (p + q)": "what the best d pays",
    "best_least_squares = lambda p, q: 0.75": "at p = 0.05, q = 0.4 it gives 0.75; it should give 0.111",
    "best_least_squares = lambda p, q: p": "at p = 0.3, q = 0.1 it gives 0.3; it should give 0.75",
    "best_least_squares = lambda p, q: (p / (p + q)) ** 0.5": "all d were tried",
    "best_least_squares = lambda p, q: p * (d - 1) ** 2 / 2 + q * d**2 / 2": "it gives a tensor (15,)",
    "best_least_squares = lambda p, q: 'p / (p + q)'": "it gives 'p / (p + q)'",
    "best_least_squares = lambda p, q: [p, q]": "it should give one number",
    "best_least_squares = lambda p, q: float('nan')": "NaN comes of",
    "best_least_squares = lambda p, q: (p / (p + q)).item()": "where a tensor is needed",
    "best_least_squares = lambda p, q: None if p < q else p / (p + q)": "it gives None",
    "best_least_squares = lambda p: p / (p + 0.1)": "Keep the arguments",
    "best_least_squares = 0.75": "not callable",
}

right_3 = [
    "lowered = lambda p, q: (q * (q / p).log()).sum() - 2 * densities.jsd(p, q)",
    "lowered = lambda p, q: (p + q) @ ((p + q) / 2 / p).log()",
    "def lowered(p, q):\n    m = (p + q) / 2\n"
    "    return sum(2 * a * math.log(a / b) for a, b in zip(m.tolist(), p.tolist()))",
    "def lowered(p, q):\n"
    "    kl = lambda a, b: (a * (a / b).log()).sum().item()\n"
    "    m = (p + q) / 2\n"
    "    return kl(q, p) - kl(p, m) - kl(q, m)",
    "def lowered(p, q):\n"
    "    import numpy as np\n    p, q = p.float().numpy(), q.float().numpy()\n"
    "    return (q * np.log(q / p)).sum() - (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))).sum()",
]
wrong_3 = {
    "lowered = lambda p, q: (q * (q / p).log()).sum()": "a step on -d lowers",
    "lowered = lambda p, q: (p * (p / q).log()).sum()": "Nor is -log D* the logit alone",
    "lowered = lambda p, q: 2 * densities.jsd(p, q)": "a step on log(1 - D*) lowers",
    "lowered = lambda p, q: -2 * densities.jsd(p, q)": "d is missing",
    "lowered = densities.jsd": "whose divergences you know",
    "lowered = lambda p, q: (q * (q / p).log()).sum() + 2 * densities.jsd(p, q)": "has the wrong sign",
    "lowered = lambda p, q: 2 * densities.jsd(p, q) - (q * (q / p).log()).sum()": "belongs to log D*",
    "lowered = lambda p, q: (q * (q / p).log()).sum() - densities.jsd(p, q)": "not of JSD",
    "lowered = lambda p, q: (p * (p / q).log()).sum() - 2 * densities.jsd(p, q)": "The other KL",
    "lowered = lambda p, q: -(q * (p / (p + q)).log()).sum()": "That is the loss itself. There D* moves",
    "lowered = lambda p, q: -(q * (p / (p + q)).log()).sum() - math.log(2)": "less log 2",
    "lowered = lambda p, q: -(p / (p + q)).log().sum()": "q = [0.5, 0.5] it gives 1.3863; it should give 0",
    "lowered = lambda p, q: -(q * (p / (p + q)).log())": "it gives a tensor (2,)",
    "lowered = lambda p, q: (q - p).abs().sum() / 2": "whose divergences you know",
    "lowered = lambda p, q: ((q - p) ** 2).sum() ** 0.5": "whose divergences you know",
    "lowered = lambda p, q: 0.0": "q = [0.9, 0.1] it gives 0; it should give 0.16457",
    "lowered = lambda p, q: float('nan')": "NaN comes of",
    "lowered = lambda p, q: 'KL - 2 JSD'": "it gives 'KL - 2 JSD'",
    "lowered = lambda p, q: None if torch.equal(p, q) else 1.0": "it gives None",
    "lowered = lambda p, q: math.log(q / p)": "math and float() take one number",
    "def lowered(p, q):\n    q /= p\n    return q.log().sum()": "work on a new tensor",
    "lowered = lambda q: q.log().sum()": "Keep the arguments",
}
