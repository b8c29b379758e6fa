"""Answers to the exercises of 06: see test_answers.py."""

right_1 = [
    "wasserstein_here, variation_here = 0.5, 1",
    "wasserstein_here, variation_here = torch.tensor(0.5), torch.tensor([1.0])",
    "import numpy as np\nwasserstein_here, variation_here = np.float32(0.5), np.array([1.0])",
    "from fractions import Fraction\n"
    "wasserstein_here = Fraction(1, 2) * Fraction(1, 4) + Fraction(1, 2) * Fraction(3, 4)\nvariation_here = 1",
    "a, b = torch.tensor([[0.5, 0, 0, 0, 0.5], [0, 1, 0, 0, 0]]).double()\n"
    "wasserstein_here = (a - b).cumsum(0).abs().sum() / 4\nvariation_here = (a - b).abs().sum() / 2",
]
wrong_1 = {
    "wasserstein_here, variation_here = 0.25, 1": "distance of the means",
    "wasserstein_here, variation_here = 1, 1": "only half of all",
    "wasserstein_here, variation_here = 0.75, 1": "the longer of the two ways",
    "wasserstein_here, variation_here = -0.25, 1": "no way is negative",
    "wasserstein_here, variation_here = 0, 1": "each half of the mass travel",
    "wasserstein_here, variation_here = 0.5, 2": "*half* of the sum",
    "wasserstein_here, variation_here = 0.5, 0.5": "They share no place",
    "wasserstein_here, variation_here = 0.5, 0": "the distance of equal masses",
    "wasserstein_here, variation_here = 0.5, 0.25": "does not know how far",
    "wasserstein_here, variation_here = 1, 0.5": "They share no place",
    "wasserstein_here, variation_here = 0.5, math.inf": "Give a finite number",
    "wasserstein_here, variation_here = float('nan'), 1": "wasserstein_here is nan",
    "wasserstein_here, variation_here = '0.5', 1": "without quotes",
    "wasserstein_here, variation_here = [0.125, 0.375], 1": "wasserstein_here is [0.125, 0.375]",
    "wasserstein_here, variation_here = divergences.wasserstein1, 1": "a function",
}

right_2 = [
    "hellinger_conjugate = lambda t: t / (1 - t)",
    "hellinger_conjugate = lambda t: 1 / (1 - t) - 1",
    "hellinger_conjugate = lambda t: -t / (t - 1)",
    "def hellinger_conjugate(t):\n    u = (1 - t) ** -2\n    return u * t - (u.sqrt() - 1) ** 2",
    "hellinger_conjugate = lambda t: torch.stack([a / (1 - a) for a in t])",
    "hellinger_conjugate = lambda t: (t.float() / (1 - t.float()))",
    "hellinger_conjugate = lambda t: torch.where(t < 1, t / (1 - t), math.inf)",
]
wrong_2 = {
    "hellinger_conjugate = lambda t: (t.sqrt() - 1) ** 2": "That is f itself",
    "hellinger_conjugate = lambda t: 1 - t**-0.5": "the slope at a place",
    "hellinger_conjugate = lambda t: 1 / (1 - t) ** 2": "put it into",
    "hellinger_conjugate = lambda t: 1 / (1 - t)": "That is √u",
    "hellinger_conjugate = lambda t: t / (t - 1)": "the tangent cuts the axis",
    "hellinger_conjugate = lambda t: t / (1 + t)": "Solve t = f′(u)",
    "hellinger_conjugate = lambda t: (t - 1).exp()": "the conjugate of u log u",
    "hellinger_conjugate = lambda t: t / (1 - t) ** 2 + (1 / (1 - t) - 1) ** 2": "u t *less* f(u)",
    "hellinger_conjugate = lambda t: t + t**2 / 4": "Solve t = f′(u)",
    "hellinger_conjugate = lambda t: 0 * t": "Solve t = f′(u)",
    "hellinger_conjugate = lambda t: (t / (1 - t)).detach()": "it has no slope",
    "hellinger_conjugate = lambda t: [(a / (1 - a)).item() for a in t]": "it has no slope",
    "def hellinger_conjugate(t):\n    with torch.no_grad():\n        return t / (1 - t)": "it has no slope",
    "hellinger_conjugate = lambda t: t.numpy() / (1 - t.numpy())": "leave numbers without one",
    "hellinger_conjugate = lambda t: (t / (1 - t)).sum()": "it should give a tensor (4,)",
    "hellinger_conjugate = lambda t: t * float('nan')": "NaN comes of",
    "hellinger_conjugate = lambda t: 'infinite'": "it gives 'infinite'",
    "hellinger_conjugate = lambda t: None if len(t) > 2 else t / (1 - t)": "it gives None",
    "hellinger_conjugate = lambda t: math.exp(t)": "math and float() take one number",
    "hellinger_conjugate = lambda u, t: u * t": "Keep the arguments",
    "hellinger_conjugate = 0.5": "not callable",
    "def hellinger_conjugate(t):\n    if t < 0:\n        return 0 * t\n    return t / (1 - t)": "decide once",
}

# torch.rand would make all cells that draw part of what the answers need
uniform = "torch.distributions.Uniform(0.0, 1.0).sample"
between = f"""
def one_sided(D, x_real, x_fake, weight=10.0):
    t = {uniform}((len(x_real), 1))
    s = losses.slopes(D, x_fake + t * (x_real - x_fake))
    return """
right_3 = [
    between + "weight * (s.norm(dim=-1) - 1).clamp(min=0).square().mean()",
    between + "weight * torch.relu((s**2).sum(1).sqrt() - 1).pow(2).mean().reshape(1)",
    between + "weight * torch.where(s.norm(dim=1) > 1, (s.norm(dim=1) - 1) ** 2, 0.0).sum() / len(s)",
    between.replace("((len(x_real), 1))", "(x_real[:, :1].shape)")
    + "weight * torch.linalg.vector_norm(s, dim=1).clamp(min=1).sub(1).square().mean()",
    "def one_sided(D, x_real, x_fake, weight=10.0):\n"
    f"    x = torch.lerp(x_real, x_fake, {uniform}((x_real.shape[0], 1))).requires_grad_()\n"
    "    (s,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)\n"
    "    over = torch.stack([torch.maximum(v.norm() - 1, torch.zeros(())) for v in s[:64]]) if len(s) == 64 else "
    "(s.norm(dim=1) - 1).relu()\n"
    "    return weight * (over**2).mean()",
]
one = between + "weight * (s.norm(dim=-1) - 1).clamp(min=0).square().mean()"
wrong_3 = {
    between + "weight * (s.norm(dim=-1) - 1).square().mean()": "the dip at 0 is back",
    "one_sided = losses.wgan_gp": "the dip at 0 is back",
    between + "weight * (s.norm(dim=-1) - 1).clamp(min=0).mean()": "grow with the square",
    between + "weight * (s - 1).clamp(min=0).square().mean()": "single numbers",
    between + "weight * (s.abs() - 1).clamp(min=0).square().mean()": "in the plane is its length",
    between + "weight * (s.norm() - 1).clamp(min=0).square().mean()": "from there on, the mean square",
    between + "weight * (s.norm(dim=-1) - 1).clamp(min=0).square().sum()": "not their sum",
    between + "(s.norm(dim=-1) - 1).clamp(min=0).square().mean()": "It forgets the weight",
    between + "weight * (s.square().sum(-1) - 1).clamp(min=0).square().mean()": "from there on, the mean square",
    between + "weight * (1 - s.norm(dim=-1)).clamp(min=0).square().mean()": "Up to 1 it is free",
    between + "weight * s.square().sum(-1).mean()": "Up to 1 it is free",
    between + "weight * (s.norm(dim=-1) - 1).clamp(min=0).square()": "it should give one number",
    between + "(weight * (s.norm(dim=-1) - 1).clamp(min=0).square().mean()).item()": "it has no slope",
    between + "weight * (s.detach().norm(dim=-1) - 1).clamp(min=0).square().mean()": "it has no slope",
    between + "s.mean() * float('nan')": "NaN comes of",
    between + "[0.0]": "it should give 4",
    between + "weight * max(0, s.norm(dim=-1) - 1) ** 2": "decide once",
    "def one_sided(D, x_real, x_fake, weight=10.0):\n"
    "    return None if len(x_real) == 64 else torch.zeros(())": "gives None",
    "def one_sided(D, x_real, x_fake):\n    return torch.zeros(())": "Keep the arguments",
    "def one_sided(D, x_real, x_fake, weight=10.0):\n"
    "    s = losses.slopes(D, torch.cat([x_real, x_fake]))\n"
    "    return weight * (s.norm(dim=-1) - 1).relu().square().mean()": "at the ends only",
    "def one_sided(D, x_real, x_fake, weight=10.0):\n"
    "    s = losses.slopes(D, x_real)\n"
    "    return weight * (s.norm(dim=-1) - 1).relu().square().mean()": "at the ends only",
    "def one_sided(D, x_real, x_fake, weight=10.0):\n"
    "    s = losses.slopes(D, (x_real + x_fake) / 2)\n"
    "    return weight * (s.norm(dim=-1) - 1).relu().square().mean()": "at one part of the way only",
    one.replace("((len(x_real), 1))", "(())"): "serves the whole batch",
    one.replace("((len(x_real), 1))", "(x_real.shape)"): "the same for all coordinates",
    one.replace("Uniform", "Normal"): "everywhere as often",
    one.replace("((len(x_real), 1))", "((len(x_real),))"): "RuntimeError",
}
