"""Downloads against a server on this machine: whole, tampered, cut off, missing; nothing half-written stays."""

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
import pooch
import pytest

from ganedu import data
from ganedu.data import fetch


@pytest.fixture
def parts():
    """What the four files hold, in small: 60 images and 10 held out."""
    rng = np.random.default_rng(0)
    x, x_test = (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (60, 10))
    return x, np.arange(60, dtype=np.uint8) % 10, x_test, np.arange(10, dtype=np.uint8)


@pytest.fixture
def server():
    """`files` maps a path to its bytes; `requests` lists what was asked for; with `short`, the body ends early."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            httpd.requests.append(self.path)
            body = httpd.files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write((body or b"")[: len(body or b"") // 2] if httpd.short else body or b"")

        def log_message(self, *args):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.files, httpd.requests, httpd.short = {}, [], False
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def source(parts, server, tmp_path, monkeypatch):
    """mnist70k and fashion70k point to the server's /one/ and /two/; the cache is empty."""
    raw = [fetch.write_idx(a) for a in parts]
    packed = [gzip.compress(b, mtime=0) for b in raw]
    for folder in ("/one/", "/two/"):
        server.files.update({folder + file: b for file, b in zip(fetch.FILES, packed, strict=True)})
    base = f"http://127.0.0.1:{server.server_port}"
    debian = tmp_path / "debian"
    debian.mkdir()
    for file, b in zip(fetch.FILES, raw, strict=True):
        (debian / file).write_bytes(gzip.compress(b, 1, mtime=1))  # gzipped anew: other bytes, the same inside
    sha256, unpacked = (tuple(hashlib.sha256(b).hexdigest() for b in bs) for bs in (packed, raw))
    addresses = (f"{base}/one/", f"{base}/two/")
    n_bytes = sum(map(len, packed))
    monkeypatch.setitem(fetch.SOURCES, "mnist70k", fetch.Source(addresses, sha256, n_bytes))
    monkeypatch.setitem(fetch.SOURCES, "fashion70k", fetch.Source(addresses, sha256, n_bytes, debian, unpacked))
    monkeypatch.setenv("GANEDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "*")
    return tmp_path


def kept(source) -> list[str]:
    return sorted(p.name for p in (source / "cache").rglob("*") if p.is_file())


def test_fetched_once_verified_and_kept(source, server, parts, capsys):
    assert fetch.where("mnist70k") is None
    for got, expected in zip(fetch.arrays("mnist70k"), parts, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert server.requests == [f"/one/{file}" for file in fetch.FILES]
    assert kept(source) == sorted(fetch.FILES) and fetch.where("mnist70k") == source / "cache" / "mnist70k"
    assert "100%" in capsys.readouterr().err  # the progress bar
    fetch.arrays("mnist70k")
    assert len(server.requests) == 4


def test_load_gives_images(source, parts):
    images = data.load("mnist70k", image_size=32)
    assert images.x.shape == (60, 1, 32, 32) and images.x_test.shape == (10, 1, 32, 32)
    assert images.labels.tolist() == parts[1].tolist() and images.class_names == data.DIGITS


def test_second_address_where_the_first_is_tampered(source, server, parts):
    server.files["/one/" + fetch.FILES[0]] = gzip.compress(b"something else")
    np.testing.assert_array_equal(fetch.arrays("mnist70k")[0], parts[0])
    assert f"/two/{fetch.FILES[0]}" in server.requests and kept(source) == sorted(fetch.FILES)


def test_tampered_everywhere_is_an_error_and_leaves_nothing(source, server):
    for folder in ("/one/", "/two/"):
        server.files[folder + fetch.FILES[0]] = gzip.compress(b"something else")
    with pytest.raises(ValueError, match=r"train-images.*nothing of it was kept(.|\n)*hash differs"):
        fetch.arrays("mnist70k")
    assert kept(source) == []


def test_cut_off_is_an_error_and_leaves_nothing(source, server):
    server.short = True
    with pytest.raises((ConnectionError, ValueError), match="nothing of it was kept"):
        fetch.arrays("mnist70k")
    assert kept(source) == []
    server.short = False
    assert len(fetch.arrays("mnist70k")[0]) == 60


def test_interrupted_leaves_nothing(source, monkeypatch):
    def half(self, url, output_file, pooch_, **kw):
        with open(output_file, "wb") as f:
            f.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", half)
    with pytest.raises(KeyboardInterrupt):
        fetch.arrays("mnist70k")
    assert kept(source) == []


def test_offline_says_what_works_offline(source, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(
        ConnectionError, match=r"cannot fetch train-images(.|\n)*'digits' and 'fashion' need no network"
    ):
        fetch.arrays("mnist70k")
    assert kept(source) == []


def test_missing_at_the_server(source, server):
    server.files.clear()
    with pytest.raises(ConnectionError, match="404"):
        fetch.arrays("mnist70k")


def test_unwritable_cache_is_an_error(source, monkeypatch):
    (source / "file").write_text("in the way")
    monkeypatch.setenv("GANEDU_CACHE", str(source / "file"))
    with pytest.raises(OSError):
        fetch.arrays("mnist70k")


def test_damaged_file_in_the_cache_is_fetched_again(source, server, parts):
    fetch.arrays("mnist70k")
    (source / "cache" / "mnist70k" / fetch.FILES[0]).write_bytes(b"damaged")
    np.testing.assert_array_equal(fetch.arrays("mnist70k")[0], parts[0])
    assert len(server.requests) == 5


def test_debian_needs_no_download(source, server, parts):
    assert fetch.where("fashion70k") == source / "debian"
    np.testing.assert_array_equal(fetch.arrays("fashion70k")[2], parts[2])
    assert server.requests == []


def test_damaged_debian_file_is_passed_over_with_a_warning(source, server, parts):
    (source / "debian" / fetch.FILES[2]).write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="t10k-images.*passed over"):
        np.testing.assert_array_equal(fetch.arrays("fashion70k")[2], parts[2])
    assert len(server.requests) == 4
    fetch.arrays("fashion70k")  # from the cache now, without a warning
    assert len(server.requests) == 4


def test_available_says_what_would_be_downloaded(source):
    row = next(r for r in data.available() if r.name == "mnist70k")
    assert "not here yet" in row.where and row.bytes == fetch.SOURCES["mnist70k"].bytes
    fetch.arrays("mnist70k")
    row = next(r for r in data.available() if r.name == "mnist70k")
    assert str(source / "cache") in row.where and row.bytes == fetch.SOURCES["mnist70k"].bytes


@pytest.mark.skipif(not fetch.DEBIAN.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("GANEDU_CACHE", str(tmp_path))
    images = data.load("fashion70k")
    assert images.x.shape == (60_000, 1, 28, 28) and images.x_test.shape == (10_000, 1, 28, 28)
    assert images.labels.bincount().tolist() == [6000] * 10 and images.labels_test.bincount().tolist() == [1000] * 10


# ------------------------------------------------------------------------------------------------ IDX


@pytest.mark.parametrize("shape", [(3,), (2, 4, 5), (0, 28, 28)])
def test_idx_round_trip(shape):
    a = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    np.testing.assert_array_equal(fetch.read_idx(BytesIO(fetch.write_idx(a))), a)


def test_idx_header_is_the_documented_one():
    assert fetch.write_idx(np.array([[7, 8]], np.uint8)) == bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 2, 7, 8])


def test_idx_refuses_what_is_none():
    with pytest.raises(ValueError, match="no IDX file"):
        fetch.read_idx(BytesIO(b"\x89PNG...."))
    with pytest.raises(ValueError, match="ends early"):
        fetch.read_idx(BytesIO(fetch.write_idx(np.zeros(9, np.uint8))[:-1]))
    with pytest.raises(ValueError, match="uint8"):
        fetch.write_idx(np.zeros(3))
