"""Answers to the exercises of 08: see test_answers.py."""

BEST, WORST = "best_table = torch.eye(10)\n", "worst_table = torch.eye(10)[[7] * 10]\n"
right_1 = [
    BEST + WORST,
    "best_table = torch.eye(10).repeat(50, 1).numpy()\nworst_table = [[0] * 9 + [1], [0] * 9 + [1]]",
    "best_table = [torch.eye(10)[i] for i in range(10)]\nworst_table = torch.tensor([[1.0] + [0] * 9] * 3).double()",
    "best_table = torch.softmax(100 * torch.eye(10), 1)\nworst_table = torch.softmax(100 * torch.eye(10)[[0] * 5], 1)",
    "best_table = nn.functional.one_hot(torch.arange(20) % 10)\n"
    "worst_table = nn.functional.one_hot(torch.full((4,), 3), 10)",
]
wrong_1 = {
    BEST + "worst_table = torch.full((10, 10), 0.1)": "worst_table: the judge gives image 0 no more than 0.10",
    "best_table = torch.full((10, 10), 0.1)\n" + WORST: "best_table: the judge gives image 0 no more than 0.10",
    "best_table = torch.softmax(torch.eye(10), 1)\n" + WORST: "best_table: the judge gives image",
    "best_table = torch.eye(10)[:9]\n" + WORST: "How often does each class come?",
    "best_table = torch.eye(10)[[7] * 10]\n" + WORST: "the first scores 1.00",
    BEST + "worst_table = torch.eye(10)": "the second scores 10.00",
    BEST + "worst_table = torch.eye(10)[[0, 0, 0, 1]]": "what is there to tell them apart by?",
    "best_table = 10 * torch.eye(10)\n" + WORST: "best_table: probabilities are 0 or more",
    BEST + "worst_table = torch.full((10, 10), float('nan'))": "worst_table: probabilities are 0 or more",
    "best_table = 2 * torch.eye(10) - 0.1\n" + WORST: "best_table: probabilities are 0 or more",
    BEST + "worst_table = torch.eye(10)[:1]": "of two images or more",
    BEST + "worst_table = torch.eye(8)": "worst_table is (8, 8)",
    "best_table = torch.arange(10)\n" + WORST: "best_table is (10,)",
    "best_table = 10\n" + WORST: "best_table is no table",
    "best_table = 'one of each'\n" + WORST: "best_table is no table",
    "best_table = torch.tensor(10.0)\n" + WORST: "best_table is no table",
}

right_2 = [
    "def my_copying(fake, train, held_out):\n"
    "    n = min(len(train), len(held_out))\n"
    "    a, b = (torch.cdist(fake, x[:n]).min(1).values for x in (train, held_out))\n"
    "    return (0.5 * (a < b) + 0.5 * (a <= b)).mean().item()",
    "def my_copying(fake, train, held_out):  # fake by fake\n"
    "    n, copies = min(len(train), len(held_out)), 0\n"
    "    for x in fake:\n"
    "        a, b = ((rows[:n] - x).square().sum(1).min() for rows in (train, held_out))\n"
    "        copies += 1 if a < b else 0.5 if a == b else 0\n"
    "    return copies / len(fake)",
    "import numpy\n"
    "def my_copying(fake, train, held_out):\n"
    "    n = min(len(train), len(held_out))\n"
    "    far = [((fake[:, None] - x[None, :n]) ** 2).sum(2).numpy().min(1) for x in (train, held_out)]\n"
    "    return numpy.mean((1 + numpy.sign(far[1] - far[0])) / 2)",
    "def my_copying(fake, train, held_out):  # in single precision\n"
    "    n = min(len(train), len(held_out))\n"
    "    a, b = (torch.cdist(fake.float(), x[:n].float()).amin(1) for x in (train, held_out))\n"
    "    return torch.heaviside(b - a, torch.tensor(0.5)).mean()",
]
NEAR = (
    "def my_copying(fake, train, held_out):\n"
    "    n = min(len(train), len(held_out))\n"
    "    a, b = (torch.cdist(fake, x[:n]).min(1).values for x in (train, held_out))\n"
)
wrong_2 = {
    NEAR + "    return ((b < a) + 0.5 * (a == b)).mean()": "nearest to held-out rows",
    NEAR + "    return (a < b).double().mean()": "Equal distances count half",
    NEAR + "    return (a <= b).double().mean()": "Equal distances count half",
    NEAR.replace("[:n]", "") + "    return ((a < b) + 0.5 * (a == b)).mean()": "keeps all its rows",
    NEAR + "    return (a < b).sum()": "Fake by fake",
    NEAR + "    return a.mean() < b.mean()": "should give",
    NEAR + "    return (a < b).double()": "a tensor",
    NEAR + "    return a.mean() / (a.mean() + b.mean())": "Fake by fake",
    NEAR.replace("min(1)", "max(1)") + "    return ((a < b) + 0.5 * (a == b)).mean()": "Fake by fake",
    NEAR.replace("min(1)", "min(0)") + "    return ((a < b) + 0.5 * (a == b)).mean()": "it gives",
    NEAR + "    return float('nan')": "NaN comes of",
    NEAR + "    return 'copied'": "it gives 'copied'",
    NEAR + "    return ((a < b) + 0.5 * (a == b)).mean() if len(a) > 2 else 0": "Fake by fake",
    "my_copying = lambda fake, train, held_out: 0.5": "Fake by fake",
    "my_copying = lambda fake, train, held_out: metrics.coverage(train, fake, 1)": "should give",
    "my_copying = lambda fake, train: 0.5": "Keep the arguments",
    "my_copying = 0.5": "not callable",
    "def my_copying(fake, train, held_out):\n    if len(fake) > 3:\n        return 0.5": "it gives None",
}

right_3 = [
    "def impostors(real, n=2000):\n"
    "    values, vectors = torch.linalg.eigh(real.T.cov())\n"
    "    return real.mean(0) + torch.randn(n, 64).double() * values.clamp(min=0).sqrt() @ vectors.T",
    "def impostors(real, n=2000):\n"
    "    root = torch.linalg.cholesky(real.T.cov() + 1e-6 * torch.eye(64))\n"
    "    return (real.mean(0) + torch.randn(n, 64).double() @ root.T).float()",
    "def impostors(real, n=2000):\n"
    "    of = torch.distributions.MultivariateNormal(real.mean(0), real.T.cov() + 1e-6 * torch.eye(64))\n"
    "    return of.sample((n,)).numpy()",
    "impostors = lambda real, n=2000: 2 * real.mean(0) - real",
    "import numpy\n"
    "def impostors(real, n=2000):\n"
    "    x = real.numpy()\n"
    "    return numpy.random.default_rng(0).multivariate_normal(x.mean(0), numpy.cov(x.T), n)",
]
wrong_3 = {
    "impostors = lambda real, n=2000: real": "copies, or nearly?",
    "impostors = lambda real, n=2000: real + 1e-3 * torch.randn_like(real)": "copies, or nearly?",
    "impostors = lambda real, n=2000: real[torch.randint(2000, (n,))]": "copies, or nearly?",
    "impostors = lambda real, n=2000: torch.randn(n, 64)": "from the means",
    "impostors = lambda real, n=2000: real.mean(0) + torch.randn(n, 64)": "0.0 of it from the means",
    "impostors = lambda real, n=2000: real.mean(0) + real.std(0) * torch.randn(n, 64)": "from the covariances",
    "impostors = lambda real, n=2000: torch.stack([c[torch.randperm(n)] for c in real.T], 1)": "0.0 of it from",
    "impostors = lambda real, n=2000: real + 3": "of it from the means and",
    "impostors = lambda real, n=2000: real[:100]": "not (100, 64)",
    "impostors = lambda real, n=2000: real.T": "not (64, 2000)",
    "impostors = lambda real, n=2000: real * float('nan')": "with 128000 others",
    "impostors = lambda real, n=2000: 'fakes'": "leads to",
    "impostors = lambda real: None if len(real) < 9 else 1.0": "not ()",
    "def impostors(real, n=2000):\n"
    "    root = torch.linalg.cholesky(real.T.cov())\n"
    "    return real.mean(0) + torch.randn(n, 64).double() @ root.T": "leads to",
    "impostors = lambda n: torch.randn(n, 64)": "leads to",
    "impostors = None": "not callable",
}
