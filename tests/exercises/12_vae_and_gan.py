"""Answers to the exercises of 12: see test_answers.py."""
# ruff: noqa: E501

STANDARD = "standard = lambda m, s: 0.5 * (m**2 + s**2 - 1) - math.log(s)\n"
right_1 = [
    "kl = lambda m, s, m0, s0: math.log(s0 / s) + (s**2 + (m - m0) ** 2) / (2 * s0**2) - 0.5",
    STANDARD + "kl = lambda m, s, m0, s0: standard((m - m0) / s0, s / s0)",
    "from torch.distributions import Normal, kl_divergence\n"
    "kl = lambda m, s, m0, s0: kl_divergence(Normal(m, s), Normal(m0, s0))",
    "kl = lambda m, s, m0, s0: gaussian_kl(torch.tensor([(m - m0) / s0]), torch.tensor([2 * math.log(s / s0)]))",
    "import numpy as np\n"
    "def kl(m, s, m0, s0):\n"
    "    z = np.linspace(m - 12 * s, m + 12 * s, 20001)\n"
    "    log = lambda m, s: -((z - m) ** 2) / (2 * s**2) - np.log(s) - 0.5 * np.log(2 * np.pi)\n"
    "    return np.trapezoid(np.exp(log(m, s)) * (log(m, s) - log(m0, s0)), z)",
    "kl = lambda m, s, m0, s0: np.float32(np.log(s0 / s) + (s**2 + (m - m0) ** 2) / (2 * s0**2) - 0.5)\n"
    "import numpy as np",
]
wrong_1 = {
    "kl = lambda m, s, m0, s0: math.log(s / s0) + (s0**2 + (m - m0) ** 2) / (2 * s**2) - 0.5": "the other way round",
    STANDARD + "kl = lambda m, s, m0, s0: standard(m, s)": "m0 and s0 play no part",
    STANDARD + "kl = lambda m, s, m0, s0: standard(m - m0, s)": "now the unit, s0",
    STANDARD + "kl = lambda m, s, m0, s0: standard(m - m0, s / s0)": "the distance m − m0 must be, too",
    STANDARD + "kl = lambda m, s, m0, s0: 2 * standard((m - m0) / s0, s / s0)": "Twice too much",
    STANDARD + "kl = lambda m, s, m0, s0: standard((m - m0) / s0, s / s0) / math.log(2)": "These are bits",
    "kl = lambda m, s, m0, s0: 0.5 * (m**2 + s**2 - 1) - math.log(s / s0)": "Are both m and s in units of s0",
    "kl = lambda m, s, m0, s0: math.log(s0 / s) + (s + (m - m0) ** 2) / (2 * s0**2) - 0.5": "Are both m and s",
    "kl = lambda m, s, m0, s0: [m, s]": "a tensor (2,)",
    "kl = lambda m, s, m0, s0: 0.0": "Are both m and s in units of s0",
    "kl = lambda m, s, m0, s0: float('nan')": "NaN comes of",
    "kl = lambda m, s, m0, s0: 'nats'": "it gives 'nats'",
    "kl = lambda m, s: m * s": "Keep the arguments",
    "kl = lambda m, s, m0, s0: 0.0 if m == m0 else None": "it gives None",
    "kl = lambda m, s, m0, s0: math.log(m - m0)": "leads to ValueError",
}

right_2 = [
    "draw_code = lambda mean, L: mean + (L @ torch.randn(*mean.shape, generator=None)[..., None])[..., 0]",
    "draw_code = lambda mean, L: mean + torch.einsum('nij,nj->ni', L, torch.randn(mean.shape, generator=None))",
    "draw_code = lambda mean, L: torch.distributions.MultivariateNormal(mean, scale_tril=L).rsample()",
    "draw_code = lambda mean, L: mean + (L * torch.randn(len(mean), 1, mean.shape[1], generator=None)).sum(2)",
    "draw_code = lambda mean, L: mean - torch.bmm(L, torch.randn(*mean.shape, 1, generator=None)).squeeze(2)",
    "def draw_code(mean, L):\n    return torch.stack([m + l @ torch.randn(len(m), generator=None) for m, l in zip(mean, L)])",
    "draw_code = lambda mean, L: mean.double() + (L.double() @ torch.randn(*mean.shape, 1, generator=None).double())[..., 0]",
]
wrong_2 = {
    "draw_code = lambda mean, L: torch.distributions.MultivariateNormal(mean, scale_tril=L).sample()": "does not require",
    "draw_code = lambda mean, L: mean + (L.detach() @ torch.randn(*mean.shape, 1, generator=None))[..., 0]": "The slope is cut off",
    "draw_code = lambda mean, L: mean.detach() + (L @ torch.randn(*mean.shape, 1, generator=None))[..., 0]": "The slope is cut off",
    "def draw_code(mean, L):\n    with torch.no_grad():\n"
    "        return mean + (L @ torch.randn(*mean.shape, 1, generator=None))[..., 0]": "does not require grad",
    "draw_code = lambda mean, L: mean + (L @ torch.randn(mean.shape[1], 1, generator=None))[..., 0]": "drawn anew for each row",
    "draw_code = lambda mean, L: mean": "All codes of an image are alike",
    "draw_code = lambda mean, L: (L @ torch.randn(*mean.shape, 1, generator=None))[..., 0]": "not centred on `mean`",
    "draw_code = lambda mean, L: mean + (L.mT @ torch.randn(*mean.shape, 1, generator=None))[..., 0]": "the wrong side of L",
    "draw_code = lambda mean, L: mean + (torch.randn(len(mean), 1, mean.shape[1], generator=None) @ L)[:, 0]": "the wrong side of L",
    "draw_code = lambda mean, L: mean + (L @ L.mT @ torch.randn(*mean.shape, 1, generator=None))[..., 0]": "is its root",
    "draw_code = lambda mean, L: mean + torch.randn(*mean.shape, generator=None)": "L plays no part",
    "draw_code = lambda mean, L: mean + L.diagonal(dim1=1, dim2=2) * torch.randn(*mean.shape, generator=None)": "more than a diagonal",
    "draw_code = lambda mean, L: mean + L.sum(2) * torch.randn(len(mean), 1, generator=None)": "One number of noise",
    "draw_code = lambda mean, L: mean + (L @ torch.rand(*mean.shape, 1, generator=None))[..., 0]": "Is z the mean plus L times standard",
    "draw_code = lambda mean, L: (mean + (L @ torch.randn(*mean.shape, 1, generator=None))[..., 0]).detach().numpy()": "has no attribute 'cov'",
    "draw_code = lambda mean, L: (mean + (L @ torch.randn(*mean.shape, 1, generator=None))[..., 0]).tolist()": "stands where a tensor is needed",
    "draw_code = lambda mean, L: torch.zeros_like(mean)": "Is z the mean plus L times standard noise",
    "draw_code = lambda mean, L: mean * float('nan')": "NaN comes of",
    "draw_code = lambda mean, L: mean.mean().item()": "stands where a tensor is needed",
}

IN_LOGS = """
def logs(x, E, G, sigma, draws, prior=1.0, fit=1.0, q=1.0):
    mean, log_var = E(x)
    noise = torch.randn(draws, *mean.shape, generator=None)
    z = mean + (log_var / 2).exp() * noise
    log_p = torch.distributions.Normal(0, 1).log_prob(z).sum(-1)
    log_q = torch.distributions.Normal(mean, (log_var / 2).exp()).log_prob(z).sum(-1)
    log_x = torch.distributions.Normal(G(z), sigma).log_prob(x).sum(-1)
    return prior * log_p + fit * log_x - q * log_q
"""
right_3 = [
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "torch.logsumexp(logs(x, E, G, sigma, draws), 0) - math.log(draws)",
    IN_LOGS + "def log_likelihood(x, E, G, sigma, draws=500):\n"
    "    given = logs(x, E, G, sigma, draws)\n    top = given.amax(0)\n"
    "    return top + (given - top).exp().mean(0).log()",
    IN_LOGS + "from scipy.special import logsumexp\n"
    "log_likelihood = lambda x, E, G, sigma, draws=500: logsumexp(logs(x, E, G, sigma, draws).numpy(), 0) - np.log(draws)\n"
    "import numpy as np",
    IN_LOGS + "def log_likelihood(x, E, G, sigma, draws=500):\n"
    "    return [(torch.logsumexp(logs(one[None], E, G, sigma, draws), 0) - math.log(draws)).item() for one in x]",
    "def log_likelihood(x, E, G, sigma, draws=500):\n"
    "    mean, log_var = E(x)\n    total = torch.full((len(x),), -torch.inf)\n"
    "    for _ in range(draws):\n"
    "        e = torch.randn(*mean.shape, generator=None)\n        z = mean + (0.5 * log_var).exp() * e\n"
    "        log = gaussian_log_likelihood(x, G(z), sigma) + 0.5 * (e**2 - z**2 + log_var).sum(1)\n"
    "        total = torch.logaddexp(total, log)\n"
    "    return total - math.log(draws)",
]
wrong_3 = {
    IN_LOGS
    + "log_likelihood = lambda x, E, G, sigma, draws=500: logs(x, E, G, sigma, draws).mean(0)": "the bound itself",
    "def log_likelihood(x, E, G, sigma, draws=500):\n    fit, cost = vae.bound(x, E, G, sigma, draws)\n"
    "    return fit - cost": "the bound itself",
    IN_LOGS
    + "log_likelihood = lambda x, E, G, sigma, draws=500: torch.logsumexp(logs(x, E, G, sigma, draws), 0)": "by log K",
    IN_LOGS
    + "log_likelihood = lambda x, E, G, sigma, draws=500: logs(x, E, G, sigma, draws).exp().mean(0).log()": "too small",
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "(logs(x, E, G, sigma, draws).exp().mean(0) + 1e-30).log()": "too small for exp",
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "(logs(x, E, G, sigma, draws).double().exp().mean(0) + 1e-300).log()": "too small for exp",
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "torch.logsumexp(logs(x, E, G, sigma, draws, q=0), 0) - math.log(draws)": "at one and the same z",
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "torch.logsumexp(logs(x, E, G, sigma, draws, prior=0), 0) - math.log(draws)": "at one and the same z",
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "torch.logsumexp(logs(x, E, G, sigma, draws, q=-1), 0) - math.log(draws)": "at one and the same z",
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "torch.logsumexp(logs(x, E, G, 1.0, draws), 0) - math.log(draws)": "at one and the same z",
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "(torch.logsumexp(logs(x, E, G, sigma, draws), 0) - math.log(draws)).mean()": "one number for each x",
    IN_LOGS + "log_likelihood = lambda x, E, G, sigma, draws=500: "
    "torch.logsumexp(logs(x, E, G, sigma, draws), 1) - math.log(draws)": "one number for each x",
    "log_likelihood = lambda x, E, G, sigma, draws=500: x[:, 0] * 0 - 3.0": "at one and the same z",
    "log_likelihood = lambda x, E, G, sigma, draws=500: x[:, 0] * float('nan')": "NaN comes of",
    "log_likelihood = lambda x, E, G, sigma, draws=500: 'far'": "invalid data type",
    "log_likelihood = lambda x, E, G, sigma, draws=500: [None] * len(x)": "Could not infer dtype",
    "log_likelihood = lambda x, E, G: x": "leads to TypeError",
}
