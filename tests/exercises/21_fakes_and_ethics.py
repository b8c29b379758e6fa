"""Answers to the exercises of notebook 21: see test_answers.py."""

ONE = "chance_right = lambda share, found, false_alarms: "
right_1 = [
    ONE + "share * found / (share * found + (1 - share) * false_alarms)",
    ONE + "1 / (1 + (1 - share) / share * false_alarms / found)",
    ONE + "forensics.alarm_right(share, found, false_alarms)",
    "def chance_right(p, t, f):\n    n = 1_000_000\n    good, bad = n * p * t, n * (1 - p) * f\n"
    "    return good / (good + bad)",
    "def chance_right(share, found, false_alarms):\n    import numpy as np\n"
    "    a = np.array([share, 1 - share]) * np.array([found, false_alarms])\n    return (a / a.sum())[0]",
    "def chance_right(share, found, false_alarms):\n    odds = share / (1 - share) * found / false_alarms\n"
    "    return torch.tensor(odds / (1 + odds))",
    "from fractions import Fraction as F\ndef chance_right(s, t, f):\n    s, t, f = F(s), F(t), F(f)\n"
    "    return float(s * t / (s * t + (1 - s) * f))",
]
wrong_1 = {
    ONE + "found": "the share of fakes that are found",
    ONE + "1 - false_alarms": "real pictures without an alarm",
    ONE + "found / (found + false_alarms)": "where half of all are fake",
    ONE + "share * found": "divide by the share of alarms",
    ONE + "share * found + (1 - share) * false_alarms": "share of pictures with an alarm",
    ONE + "share * found / (share * found + false_alarms)": "Only real pictures give false alarms",
    ONE + "share * found / (share * found + share * false_alarms)": "where half of all are fake",
    ONE + "share * found / (share * found + (1 - share) * (1 - false_alarms))": "the share with an alarm, not without",
    ONE + "(1 - share) * false_alarms / (share * found + (1 - share) * false_alarms)": "an alarm is wrong",
    ONE + "100 * share * found / (share * found + (1 - share) * false_alarms)": "between 0 and 1",
    ONE + "share": "Right alarms, p t, over all alarms",
    ONE + "0.95": "Wrong:",
    ONE + "float('nan')": "it gives nan",
    ONE + "'2 %'": "it gives '2 %'",
    "chance_right = lambda share, found: found": "Keep the arguments",
    "chance_right = 0.0187": "not callable",
}  # fmt: skip

TWO = "def disguised(x, p_real, p_fake, radius):\n    "
right_2 = [
    TWO + "return torch.fft.ifft2(torch.fft.fft2(x) * (p_real / p_fake).sqrt()[radius]).real",
    TWO + "F = torch.fft.fft2(x, norm='ortho') * (p_real[radius] / p_fake[radius]) ** 0.5\n"
    "    return torch.fft.ifft2(F, norm='ortho').real",
    TWO + "import numpy as np\n    g = np.sqrt(p_real.numpy() / p_fake.numpy())[radius.numpy()]\n"
    "    return np.fft.ifft2(np.fft.fft2(x.numpy()) * g).real",
    TWO + "g = (p_real / p_fake).sqrt()[radius]\n"
    "    return torch.fft.irfft2(torch.fft.rfft2(x) * g[:, : x.shape[-1] // 2 + 1], s=x.shape[-2:])",
    TWO + "F = torch.fft.fft2(x)\n    for k in range(len(p_real)):\n"
    "        F[..., radius == k] *= (p_real[k] / p_fake[k]).sqrt()\n    return torch.fft.ifft2(F).real",
    TWO + "F = torch.fft.fft2(x)\n    new = torch.polar(F.abs() * (p_real.sqrt() / p_fake.sqrt())[radius], F.angle())\n"
    "    return torch.real(torch.fft.ifft2(new))",
    TWO + "shift = torch.fft.fftshift\n    F = shift(torch.fft.fft2(x), (2, 3))\n"
    "    F = F * (p_real / p_fake).sqrt()[shift(radius)]\n"
    "    return torch.fft.ifft2(torch.fft.ifftshift(F, (2, 3))).real",
]  # fmt: skip
BACK = "torch.fft.ifft2(torch.fft.fft2(x) * {0}).real"
wrong_2 = {
    TWO + "return x": "unchanged",
    TWO + "return " + BACK.format("(p_real / p_fake)[radius]"): "take the root",
    TWO + "return " + BACK.format("(p_fake / p_real).sqrt()[radius]"): "from p_fake to p_real",
    TWO + "return " + BACK.format("(p_fake / p_real)[radius]"): "at each coefficient's radius",
    TWO + "return torch.fft.ifft2(torch.fft.fft2(x).abs() * (p_real / p_fake).sqrt()[radius]).real": "Keep the phase",
    TWO + "return torch.fft.ifft2(torch.fft.fft2(x) + (p_real.sqrt() - p_fake.sqrt())[radius]).real": "do not add",
    TWO + "return torch.fft.ifft2(torch.fft.fft2(x) * (p_real / p_fake).sqrt()[radius])": "take the real part",
    TWO + "return torch.fft.fft2(x) * (p_real / p_fake).sqrt()[radius]": "take the real part",
    TWO + "return " + BACK.format("torch.fft.fftshift((p_real / p_fake).sqrt()[radius])"): "no shift",
    TWO + "return " + BACK.format("p_real.sqrt()[radius]"): "Divide by what the fakes have",
    TWO + "return " + BACK.format("(p_real / p_fake).mean().sqrt()"): "a factor of its own",
    TWO + "return " + BACK.format("(p_real / p_fake).sqrt()[radius].clamp(max=1)"): "at each coefficient's radius",
    TWO + "g = (p_real / p_fake).sqrt()\n    g[7:] = 1\n    return " + BACK.format("g[radius]"): "Wrong:",
    TWO + "x *= 2\n    return x / 2": "changes x itself",
    TWO + "return x * float('nan')": "it gives",
    TWO + "return " + BACK.format("(p_real / p_fake).sqrt()"): "leads to",
    "disguised = lambda x: x": "Keep the arguments",
}  # fmt: skip

THREE = "def genuine(message, note, public):\n    "
GET = "s = note.get('signature')\n    "
right_3 = [
    THREE + "try:\n        return public.verify(message, bytes.fromhex(note['signature']))\n"
    "    except (KeyError, ValueError, TypeError):\n        return False",
    THREE + "if note.get('scheme') != 'Ed25519':\n        return False\n    try:\n"
    "        return public.verify(message, bytes.fromhex(note['signature']))\n    except Exception:\n"
    "        return False",
    THREE + GET + "if not isinstance(s, str) or any(c not in '0123456789abcdef' for c in s):\n        return False\n"
    "    return public.verify(message, bytes.fromhex(s))",
    THREE + GET + "import re\n    ok = isinstance(s, str) and re.fullmatch('[0-9a-f]{128}', s)\n"
    "    return bool(ok) and public.verify(message, bytes.fromhex(s))",
    "from cryptography.exceptions import InvalidSignature\n"
    "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey\n" + THREE
    + "key = Ed25519PublicKey.from_public_bytes(public.public)\n    try:\n"
    "        key.verify(bytes.fromhex(note['signature']), message)\n"
    "    except (InvalidSignature, KeyError, TypeError, ValueError):\n        return False\n    return True",
    THREE + "import binascii\n    try:\n        signature = binascii.unhexlify(note['signature'])\n"
    "    except (KeyError, TypeError, binascii.Error):\n        return 0\n"
    "    return int(public.verify(message, signature))",
    THREE + "try:\n        if note['scheme'] == public.scheme:\n"
    "            return careless(message, note, public)\n    except (KeyError, ValueError, TypeError):\n        pass\n"
    "    return False",
]  # fmt: skip
TRY = "    except (KeyError, ValueError, TypeError):\n        return False"
wrong_3 = {
    THREE + "return True": "trusts everybody",
    THREE + "return False": "trusts nobody",
    THREE + "return note.get('scheme') == 'Ed25519'": "no proof",
    THREE + "try:\n        return careless(message, note, public)\n" + TRY: "HMAC with it proves nothing",
    "genuine = careless": "HMAC with the public key as its secret",
    THREE + "return public.verify(message, bytes.fromhex(note['signature']))": "it raises KeyError",
    THREE + "return public.verify(message, bytes.fromhex(note.get('signature', '')))": "it raises ValueError",
    THREE + "return public.verify(message, note['signature'])": "Wrong:",
    THREE + "try:\n        return public.verify(bytes.fromhex(note['signature']), message)\n" + TRY:
        "of this public key",
    THREE + "try:\n        return not public.verify(message, bytes.fromhex(note['signature']))\n" + TRY:
        "whatever the note says",
    THREE + "try:\n        return pair.public.verify(message, bytes.fromhex(note['signature']))\n" + TRY:
        "of this public key",
    THREE + "s = note.get('signature')\n"
    "    return isinstance(s, str) and set(s) <= set('0123456789abcdef')": "proves nothing",
    THREE + "return len(note.get('signature', '')) == 128": "Wrong:",
    THREE + "return 'genuine'": "it gives 'genuine'",
    THREE + "return note": "Wrong:",
    THREE + "try:\n        public.verify(message, bytes.fromhex(note['signature']))\n        return True\n" + TRY:
        "a signature is there",
    "genuine = True": "not callable",
    "genuine = lambda message, note: True": "Keep the arguments",
    THREE + "return float('nan')": "it gives",
}  # fmt: skip

FOUR = "def threshold(n, makers, limit):\n    "
LOOP = "for k in range(n + 2):\n        "
right_4 = [
    FOUR + LOOP + "if 1 - (1 - marks.chance(k, n)) ** makers < limit:\n            return k",
    FOUR + "return next(k for k in range(n + 2) if 1 - (1 - marks.chance(k, n)) ** makers < limit)",
    FOUR + "import math\n    " + LOOP + "p = sum(math.comb(n, j) for j in range(k, n + 1)) / 2**n\n"
    "        if p < 1 and -math.expm1(makers * math.log1p(-p)) < limit:\n            return k",
    FOUR + "from scipy import stats\n    " + LOOP + "none = stats.binom.cdf(k - 1, n, 0.5) ** makers\n"
    "        if 1 - none < limit:\n            return k",
    FOUR + "from fractions import Fraction\n    from math import comb\n    " + LOOP
    + "p = Fraction(sum(comb(n, j) for j in range(k, n + 1)), 2**n)\n"
    "        if (makers < 2000 and 1 - (1 - p) ** makers < limit) or (makers >= 2000 and makers * p < limit):\n"
    "            return k",
    FOUR + "k, best = n, n + 1\n    while k >= 0 and 1 - (1 - marks.chance(k, n)) ** makers < limit:\n"
    "        best, k = k, k - 1\n    return best",
    FOUR + "found = [k for k in range(n + 1) if 1 - (1 - marks.chance(k, n)) ** makers < limit]\n"
    "    return torch.tensor(min(found)) if found else n + 1.0",
]  # fmt: skip
wrong_4 = {
    FOUR + LOOP + "if marks.chance(k, n) < limit:\n            return k": "one more chance of a false alarm",
    FOUR + LOOP + "if makers * marks.chance(k, n) < limit:\n            return k": "a bound",
    FOUR + LOOP + "if marks.chance(k, n) ** makers < limit:\n            return k": "An alarm from one maker is enough",
    FOUR + LOOP + "if marks.chance(k, n) / makers < limit:\n            return k": "more alarms, not fewer",
    FOUR + "import math\n    " + LOOP + "if 1 - (1 - math.comb(n, k) / 2**n) ** makers < limit:\n            return k":
        "not exactly k",
    FOUR + LOOP + "if 1 - (1 - marks.chance(min(k, n) + 1, n)) ** makers < limit:\n            return k":
        "k itself counts",
    FOUR + "for k in range(n + 1):\n        if 1 - (1 - marks.chance(k, n)) ** makers < limit:\n            return k\n"
    "    return n": "Even all n bits are not enough",
    FOUR + "for k in range(n + 1):\n        if 1 - (1 - marks.chance(k, n)) ** makers < limit:\n            return k":
        "Where n bits are not enough",
    FOUR + LOOP + "if 1 - (1 - marks.chance(k, n)) ** makers < limit:\n            return k + 1": "it should give",
    FOUR + LOOP + "if (1 - marks.chance(k, n)) ** makers < limit:\n            return k": "for the smallest k",
    FOUR + "return 30": "it should give 3",
    FOUR + "return marks.needed(limit, n)": "Wrong:",
    FOUR + "return n": "Wrong:",
    FOUR + "return float('nan')": "it gives",
    FOUR + "return 'k'": "it gives 'k'",
    FOUR + "return [k for k in range(n + 1) if 1 - (1 - marks.chance(k, n)) ** makers < limit]": "Wrong:",
    "threshold = lambda n, makers: 3": "Keep the arguments",
    "threshold = 30": "not callable",
}  # fmt: skip

DEF_P = "def own_private_gradient(own, clip, sigma, noise, expected):\n    "
LENGTH = "length = own.norm(dim=1, keepdim=True)\n    "
right_5 = [
    DEF_P + "f = (clip / own.norm(dim=1)).clamp(max=1)\n    return (f @ own + sigma * clip * noise) / expected",
    DEF_P + LENGTH + "cut = own * torch.minimum(torch.ones_like(length), clip / length)\n"
    "    return (cut.sum(0) + sigma * clip * noise) / expected",
    DEF_P + LENGTH + "return (own / (length / clip).clamp(min=1)).sum(0) / expected + sigma * clip * noise / expected",
    DEF_P + "total = torch.zeros_like(noise)\n    for g in own:\n        size = g.square().sum().sqrt().item()\n"
    "        total += g if size <= clip else g * clip / size\n    return (total + sigma * clip * noise) / expected",
    DEF_P + "import numpy as np\n    g = own.numpy()\n    size = np.sqrt((g ** 2).sum(1, keepdims=True))\n"
    "    cut = g * np.minimum(1, clip / size)\n    return (cut.sum(0) + sigma * clip * noise.numpy()) / expected",
    DEF_P + "cut = torch.renorm(own, 2, 0, clip) if len(own) else own\n"
    "    return (cut.sum(0) + sigma * clip * noise) / expected",
    DEF_P + "return (private.clipped_sum({'w': own}, clip)['w'] + sigma * clip * noise) / expected",
    DEF_P + LENGTH + "cut = torch.where(length > clip, own * clip / length, own)\n"
    "    return (torch.einsum('np->p', cut) + clip * (sigma * noise)) / expected",
]  # fmt: skip
CUT = "cut = own * (clip / own.norm(dim=1, keepdim=True)).clamp(max=1)\n    "
wrong_5 = {
    DEF_P + "return (own.sum(0) + sigma * clip * noise) / expected": "No gradient is cut",
    DEF_P + "s = own.sum(0)\n    s = s * (clip / s.norm()).clamp(max=1)\n"
    "    return (s + sigma * clip * noise) / expected": "not their sum",
    DEF_P + "return (own.clamp(-clip, clip).sum(0) + sigma * clip * noise) / expected": "not each number",
    DEF_P + "cut = own * clip / own.norm(dim=1, keepdim=True)\n"
    "    return (cut.sum(0) + sigma * clip * noise) / expected": "stay as they are",
    DEF_P + CUT + "return (cut.sum(0) + sigma * noise) / expected": "sigma times clip",
    DEF_P + CUT + "return cut.sum(0) / expected": "The noise is missing",
    DEF_P + CUT + "return cut.sum(0) + sigma * clip * noise": "Divide by the expected number",
    DEF_P + CUT + "return cut.sum(0) / expected + sigma * clip * noise": "sigma clip noise",
    DEF_P + CUT + "return (cut.sum(0) + sigma * clip * noise) / max(1, len(own))": "sigma clip noise",
    DEF_P + CUT + "return (cut.sum(0) + sigma * clip * noise) / len(own)": "not by all",
    DEF_P + CUT + "return cut.mean(0) + sigma * clip * noise / expected": "Wrong:",
    DEF_P + CUT + "return (cut + sigma * clip * noise).sum(0) / expected": "not once for each image",
    DEF_P + "noisy = own + sigma * clip * noise\n"
    "    cut = noisy * (clip / noisy.norm(dim=1, keepdim=True)).clamp(max=1)\n"
    "    return cut.sum(0) / expected": "Cut first",
    DEF_P + CUT + "return (cut.sum(0) + sigma * clip * torch.randn(4)) / expected": "it should give",
    DEF_P + CUT + "return (cut + sigma * clip * noise) / expected": "it should give",
    DEF_P + CUT + "return ((cut.sum(0) + sigma * clip * noise) / expected).norm()": "it should give",
    DEF_P + CUT.replace(".clamp(max=1)", ".clamp(min=1)") + "return (cut.sum(0) + sigma * clip * noise) / expected":
        "Wrong:",
    DEF_P + CUT.replace("dim=1, keepdim=True", "dim=0, keepdim=True")
    + "return (cut.sum(0) + sigma * clip * noise) / expected": "Wrong:",
    DEF_P + "own *= (clip / own.norm(dim=1, keepdim=True)).clamp(max=1)\n"
    "    return (own.sum(0) + sigma * clip * noise) / expected": "it changes own itself",
    DEF_P + "return own * float('nan')": "Wrong:",
    "own_private_gradient = 0.5": "not callable",
    "own_private_gradient = lambda own, clip: own": "Keep the arguments",
}  # fmt: skip
