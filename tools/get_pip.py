"""Put pip into a virtual environment whose Python came without ensurepip: .venv/bin/python tools/get_pip.py

The wheel comes from the index pip itself would use (PIP_INDEX_URL, or PyPI), its hash is checked, and it then installs
itself. Standard library only; `make` calls it on Debian and Ubuntu where python3-venv is not installed.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def newest_wheel(page: str) -> tuple[str, str]:
    """(link, sha256) of the newest final pip wheel on an index page."""
    links = re.findall(r'href="([^"]*/pip-([\d.]+)-py3-none-any\.whl)#sha256=([0-9a-f]{64})"', page)
    if not links:
        sys.exit("No pip wheel on the package index. Install python3-venv (Debian, Ubuntu), or set PIP_INDEX_URL.")
    link, _, sha256 = max(links, key=lambda row: [int(part) for part in row[1].split(".")])
    return link, sha256


def main() -> None:
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    link, sha256 = newest_wheel(fetch(index).decode())
    wheel = fetch(urllib.parse.urljoin(index, link))
    if hashlib.sha256(wheel).hexdigest() != sha256:
        sys.exit(f"{link} does not have the hash that {index} promises: not installed. Try again.")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, link.rsplit("/", 1)[-1])
        with open(path, "wb") as file:
            file.write(wheel)
        subprocess.run([sys.executable, f"{path}/pip", "install", "--quiet", path], check=True)


if __name__ == "__main__":
    main()
