"""Which notebooks are run once more, as student edition, path alone or in the browser: all, or a few by turns."""

import os
import subprocess
from pathlib import Path

AT_MOST = 2  # of twenty notebooks that all run once themselves; the public workflow runs all of all
# Cells that show what the learner made where it is right, and something else where it isn't: run in both editions.
MEANT = {"03_dcgan": {"slerp"}}


def chosen(names: list[str], changed: set[str], commit: str, at_most: int = AT_MOST, meant=MEANT) -> list[str]:
    """`at_most` of the notebooks: those `meant`, then those that changed, then the others; by turns, as `commit` says.

    Without a commit (a copy that is no clone) all of them.
    """
    if not commit:
        return names
    turn = int(commit[:8], 16) % len(names)
    by_turns = names[turn:] + names[:turn]
    return sorted(by_turns, key=lambda n: (n not in meant, n not in changed))[:at_most]


def git(folder: Path, *command: str) -> str:
    """What git says, or nothing where there is no git, no clone or no such commit."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}  # of a hook that runs the tests
    try:
        return subprocess.run(["git", *command], cwd=folder, env=env, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def of_today(folder: Path, names: list[str], at_most: int = AT_MOST, meant=MEANT) -> list[str]:
    """The choice for what lies in `folder`: changed is what differs from the commit before this, and what is new."""
    here = (git(folder, "diff", "--name-only", "HEAD^", "--", "."), git(folder, "ls-files", "--others", "--", "."))
    changed = {Path(line).stem for line in "".join(here).splitlines()}
    return chosen(names, changed, git(folder, "rev-parse", "HEAD"), at_most, meant)
