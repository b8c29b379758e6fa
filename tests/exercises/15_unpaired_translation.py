"""Answers to the exercises of 15: see test_answers.py."""

W = "W = lambda p: p.view(-1, 1, 1, 1, 1)\n"

right_1 = [
    "by_factor, by_kind = 144, 479001600",
    "by_factor, by_kind = math.factorial(3) * math.factorial(4), math.factorial(12)",
    "by_factor, by_kind = torch.tensor(144), torch.tensor([479001600])",
    "import numpy as np\nby_factor, by_kind = np.float64(6 * 24), math.prod(range(1, 13))",
    "ways = itertools.product(itertools.permutations(range(3)), itertools.permutations(range(4)))\n"
    "by_factor = sum(1 for way in ways)\n"
    "by_kind = math.gamma(13)",
]
wrong_1 = {
    "by_factor, by_kind = 30, math.factorial(12)": "each exchange of shapes goes with",
    "by_factor, by_kind = 12, math.factorial(12)": "the number of kinds, not of ways",
    "by_factor, by_kind = 3**3 * 4**4, 12**12": "k to the power k",
    "by_factor, by_kind = 144, 12**12": "k to the power k",
    "by_factor, by_kind = 143, 479001600": "changes nothing",
    "by_factor, by_kind = 144, 479001599": "changes nothing",
    "by_factor, by_kind = 479001600, 144": "the second answer",
    "by_factor, by_kind = 144, 144": "the first answer",
    "by_factor, by_kind = math.factorial(7), math.factorial(12)": "never a colour",
    "by_factor, by_kind = 144, 144**2": "have twelve kinds to themselves",
    "by_factor, by_kind = 24, math.factorial(12)": "for one way to exchange the shapes",
    "by_factor, by_kind = '144', 479001600": "without quotes",
    "by_factor, by_kind = [6, 24], 479001600": "by_factor is [6, 24]; give one number",
    "by_factor, by_kind = 144, float('nan')": "by_kind is nan",
    "by_factor, by_kind = math.factorial, 1": "a function",
}

right_2 = [
    "def renamed(counts):\n"
    "    ways = itertools.permutations(range(len(counts)))\n"
    "    return max(sum(row[j] for row, j in zip(counts, way)) for way in ways) / sum(map(sum, counts))",
    "def renamed(counts):\n"
    "    c = torch.tensor(counts, dtype=torch.float32)\n"
    "    i, j = linear_sum_assignment(c, maximize=True)\n"
    "    return c[i, j].sum() / c.sum()",
    "import numpy as np\n"
    "def renamed(counts):\n"
    "    c = np.array(counts)\n"
    "    k = np.arange(len(c))\n"
    "    return max(c[k, list(way)].sum() for way in itertools.permutations(k)) / c.sum()",
    "def renamed(counts, free=None):  # one colour after the other\n"
    "    def best(i, free):\n"
    "        return max((counts[i][j] + best(i + 1, free - {j}) for j in free), default=0)\n"
    "    return [best(0, frozenset(range(len(counts)))) / sum(sum(row) for row in counts)]",
]
wrong_2 = {
    "renamed = lambda c: sum(c[i][i] for i in range(len(c))) / sum(map(sum, c))": "the names as they are",
    "renamed = lambda counts: sum(map(max, counts)) / sum(map(sum, counts))": "two colours may not get the same name",
    "renamed = lambda counts: sum(map(max, zip(*counts))) / sum(map(sum, counts))": "keep the largest share",
    "def renamed(counts):\n"
    "    c, found, total = torch.tensor(counts, dtype=torch.float), 0.0, sum(map(sum, counts))\n"
    "    for _ in counts:\n"
    "        i, j = divmod(int(c.argmax()), len(c))\n"
    "        found += float(c[i, j])\n"
    "        c[i], c[:, j] = -1, -1\n"
    "    return found / total": "to give away the largest number first",
    "def renamed(counts):\n"
    "    ways = itertools.permutations(range(len(counts)))\n"
    "    return max(sum(row[j] for row, j in zip(counts, way)) for way in ways)": "divide by the number of scenes",
    "def renamed(counts):\n"
    "    ways = itertools.permutations(range(len(counts)))\n"
    "    shares = [[v / sum(row) for v in row] for row in counts]\n"
    "    return max(sum(row[j] for row, j in zip(shares, way)) for way in ways) / len(counts)": "not the mean of",
    "renamed = lambda counts: 1.0": "for counts = [[10, 0], [10, 0]] it gives 1; it should give 0.5",
    "renamed = lambda counts: 0.7": "for counts = [[0, 10], [20, 0]] it gives 0.7",
    "renamed = lambda counts: counts": "it gives a tensor (2, 2); it should give one number",
    "renamed = lambda counts: float('nan')": "NaN comes of",
    "renamed = lambda counts: 'all'": "it gives 'all'",
    "renamed = lambda counts: counts.max()": "has no attribute",
    "def renamed(counts):\n    if len(counts) == 3:\n        return 0.7": "it gives None",
    "renamed = lambda: 1": "Keep the arguments",
    "renamed = 0.7": "not callable",
}

right_3 = [
    "def honest_error(days, p):\n"
    "    by_f = torch.stack([(p.view(-1, 1, 1, 1, 1) * (f - days).abs()).sum(0) for f in days])\n"
    "    return by_f.min(0).values.mean()",
    "def honest_error(days, p):\n"
    "    return torch.einsum('i,ijnchw->jnchw', p, (days[:, None] - days).abs()).amin(0).mean().item()",
    "import numpy as np\n"
    "def honest_error(days, p):  # the weighted median\n"
    "    k, days, p = len(days), np.array(days).reshape(len(days), -1), np.array(p)\n"
    "    total = 0.0\n"
    "    for column in days.T:\n"
    "        order = np.argsort(column)\n"
    "        f = column[order][np.searchsorted(np.cumsum(p[order]), 0.5)]\n"
    "        total += (p * np.abs(column - f)).sum()\n"
    "    return total / days.shape[1]",
    "def honest_error(days, p):\n"
    "    tried = torch.cat([days, torch.linspace(-1, 1, 21).view(-1, 1, 1, 1, 1).expand(-1, *days.shape[1:])])\n"
    "    return min_of([sum(q * (f - x).abs() for q, x in zip(p, days)) for f in tried])\n"
    "def min_of(costs):\n"
    "    return torch.stack(costs).amin(0).mean().reshape(1).numpy()",
]
wrong_3 = {
    W
    + "honest_error = lambda days, p: (W(p) * ((W(p) * days).sum(0) - days).abs()).sum(0).mean()": "F answers the mean",
    W + "honest_error = lambda days, p: min((W(p) * (f - days).abs()).sum(0).mean() for f in days)": "in all pixels",
    W
    + "honest_error = lambda days, p: (W(p) * (days[p.argmax()] - days).abs()).sum(0).mean()": "most frequent version",
    W + "honest_error = lambda days, p: (W(p) * (days.median(0).values - days).abs()).sum(0).mean()": "F knows p",
    W + "honest_error = lambda days, p: (W(p) * (days - (W(p) * days).sum(0)) ** 2).sum(0).mean()": "no squares",
    "honest_error = lambda days, p: sum(p[i] * p[j] * (days[i] - days[j]).abs().mean() for i in range(len(p)) "
    "for j in range(len(p)))": "guess at random",
    "honest_error = lambda days, p: min(p) * (days[0] - days[1]).abs().mean()": "with p = (0.4, 0.25, 0.35)",
    "honest_error = lambda days, p: 0.5 * (days[0] - days[1]).abs().mean()": "with p = (0.25, 0.75)",
    W + "honest_error = lambda days, p: torch.stack([(W(p) * (f - days).abs()).sum(0) for f in days])"
    ".amin(0).sum()": "not their sum",
    W + "honest_error = lambda days, p: torch.stack([(W(p) * (f - days).abs()).sum(0) for f in days])"
    ".amin(0)": "it should give one number",
    "honest_error = lambda days, p: torch.zeros(())": "it gives 0; it should give 1",
    "honest_error = lambda days, p: float('nan')": "NaN comes of",
    "honest_error = lambda days, p: 'a half'": "it gives 'a half'",
    "def honest_error(days, p):\n"
    "    if len(days) == 2:\n"
    "        return min(p) * (days[0] - days[1]).abs().mean()": "it gives None",
    "def honest_error(days, p):\n    days *= 0\n    return torch.ones(())": "changes days itself",
    "honest_error = lambda days: 0": "Keep the arguments",
    "honest_error = lambda days, p: p * (days[0] - days[1]).abs()": "it should give one number",
}
