"""VGG-16 from a server on this machine: the architecture's known numbers, the loader from end to end, wrong files.

The weights in these tests are random, of the right names and shapes; ImageNet's are never fetched here.
"""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from ganedu import models
from ganedu.topics import perceptual, vgg

# torchvision's names and shapes: convolution i of `features` and its channels
CONVOLUTIONS = {
    0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256),
    17: (512, 256), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512),
}  # fmt: skip


def weights() -> dict[str, torch.Tensor]:
    numbers = torch.Generator().manual_seed(0)
    state = {"classifier.0.weight": torch.zeros(3, 3)}
    for i, (out, into) in CONVOLUTIONS.items():
        state[f"features.{i}.weight"] = torch.randn(out, into, 3, 3, generator=numbers) * (2 / (9 * into)) ** 0.5
        state[f"features.{i}.bias"] = torch.randn(out, generator=numbers) * 0.1
    return state


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder that is served, and an empty cache; `put(state)` offers a state dict as the file with the right hash."""
    folder = tmp_path / "served"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setattr(vgg, "ADDRESSES", (f"http://127.0.0.1:{httpd.server_port}/",))
    monkeypatch.setenv("GANEDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")

    def put(state):
        torch.save(state, folder / vgg.FILE)
        monkeypatch.setattr(vgg, "SHA256", hashlib.sha256((folder / vgg.FILE).read_bytes()).hexdigest())

    httpd.put, httpd.folder = put, folder
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def kept(tmp_path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_the_architecture_is_the_published_one():
    net = vgg.untrained()
    assert models.n_parameters(net) == 14_714_688  # torchvision's vgg16, `features` alone
    convolutions = {name: tuple(m.weight.shape) for name, m in net.named_children() if isinstance(m, torch.nn.Conv2d)}
    assert convolutions == {str(i): (*c, 3, 3) for i, c in CONVOLUTIONS.items()}
    names = list(dict(net.named_children()))
    assert {k: names[i] for k, i in vgg.LAYERS.items()} == {"relu1_2": "3", "relu2_2": "8", "relu3_3": "15",
                                                            "relu4_3": "22"}  # fmt: skip
    sides = [f.shape[1:] for f in perceptual.maps(net, torch.zeros(1, 1, 32, 32), tuple(vgg.LAYERS.values()))]
    assert sides == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]


def test_pixels_are_imagenets():
    grey, rgb = torch.rand(2, 1, 16, 16) * 2 - 1, torch.rand(2, 3, 16, 16) * 2 - 1
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = vgg.ImageNetPixels()
    for c in range(3):
        torch.testing.assert_close(pixels(rgb)[:, c], (rgb[:, c] * 0.5 + 0.5 - mean[c]) / std[c])
        torch.testing.assert_close(pixels(grey)[:, c], (grey[:, 0] * 0.5 + 0.5 - mean[c]) / std[c])


def test_fetched_once_converted_and_used(server, tmp_path):
    state = weights()
    server.put(state)
    assert vgg.where() is None
    net = vgg.vgg16()
    assert kept(tmp_path) == ["features.safetensors"] and vgg.where() is not None
    assert not net.training and not any(p.requires_grad for p in net.parameters())
    for i in CONVOLUTIONS:
        assert torch.equal(getattr(net, str(i)).weight, state[f"features.{i}.weight"])
    x = torch.rand(2, 1, 16, 16) * 2 - 1
    first = torch.nn.functional.conv2d(
        vgg.ImageNetPixels()(x), state["features.0.weight"], state["features.0.bias"], padding=1
    )
    torch.testing.assert_close(perceptual.maps(net, x, (1, 2))[1], first.relu())
    (server.folder / vgg.FILE).unlink()
    again = vgg.vgg16()  # from the cache
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_another_file_is_refused_and_not_kept(server, tmp_path):
    server.put(weights())
    (server.folder / vgg.FILE).write_bytes(b"something else")
    with pytest.raises(ValueError, match="hash differs"):
        vgg.vgg16()
    assert kept(tmp_path) == [] and vgg.where() is None


def test_the_weights_of_another_network_are_refused(server, tmp_path):
    state = weights()
    state["features.2.weight"] = torch.zeros(64, 32, 3, 3)
    server.put(state)
    with pytest.raises(ValueError, match=r"1 tensors are missing, of another shape or too many, such as 2\.weight"):
        vgg.vgg16()
    assert vgg.where() is None


def test_offline_says_what_to_do(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(
        ConnectionError, match=r"cannot fetch vgg16(.|\n)*Try again with a network(.|\n)*without VGG-16"
    ):
        vgg.vgg16()


@pytest.mark.parametrize("shape", [(2, 2, 16, 16), (2, 1, 8, 8), (1, 16, 16)])
def test_images_that_do_not_fit(shape):
    with pytest.raises(ValueError, match="16 pixels or more"):
        vgg.untrained()(torch.zeros(shape))
