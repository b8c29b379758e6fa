"""The studio as an application: its notebook, served by Voilà to this machine alone."""

import importlib.util
import json
import os
import sys
from pathlib import Path

from .. import ASSETS

NOTEBOOK = ASSETS / "studio.ipynb"
SETTINGS = "GANEDU_STUDIO"  # the environment variable through which the notebook's kernels get their settings, as JSON


def command(port: int, browser: bool) -> list[str]:
    """What serves the studio. Raises ValueError, which says what else can be done, where Voilà is not installed."""
    if importlib.util.find_spec("voila") is None:
        raise ValueError(
            "the studio is served by Voilà, which is not installed: pip install 'ganedu[studio]'. The same page "
            "without it: ganedu lab, and notebook 20."
        )
    # Each page gets a kernel, and one is ready before it is asked for. Only this machine is answered, and only by its
    # own name: a page from elsewhere that calls itself localhost is not.
    return [sys.executable, "-m", "voila", str(NOTEBOOK), f"--port={port}", "--Voila.ip=127.0.0.1",
            "--Voila.tornado_settings=allow_remote_access=", "--preheat_kernel=True", "--pool_size=1",
            *([] if browser else ["--no-browser"])]  # fmt: skip


def environment(data: str, run: Path | None) -> dict[str, str]:
    """The environment of the application: this one, with its settings."""
    settings = {"data": data, "run": None if run is None else str(run.resolve()), "folder": str(Path.cwd())}
    return {**os.environ, SETTINGS: json.dumps(settings)}
