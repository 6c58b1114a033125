"""People at the same branch."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path


class Human:
    """Somebody who commits and pushes with plain git from a clone; in a block, again and again."""

    def __init__(self, bare: Path, folder: Path, *, every: float = 0.2) -> None:
        self.files: dict[str, str] = {}
        self.commits: list[str] = []
        self.lines: list[tuple[str, str]] = []
        self._clone = folder
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        subprocess.run(["git", "clone", "--quiet", bare, folder], check=True)

    def __enter__(self) -> Human:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def note(self) -> None:
        """Push a new file beside the fleet, however often others are faster."""
        number = len(self.files) + 1
        path = f"docs/{number}.md"
        self.files[path] = f"note {number}\n"
        self._write(path, self.files[path])
        self._git("commit", "--quiet", "--message", f"Note {number}")
        while self._git("push", "--quiet", "origin", "HEAD:main").returncode:
            self._git("pull", "--quiet", "--rebase", "origin", "main")
        self.commits.append(self._git("rev-parse", "HEAD").stdout.strip())

    def comment(self, path: str) -> bool:
        """Try once to add a line to the end of a file that the fleet has; whether it arrived."""
        self._catch_up()
        file = self._clone / path
        if not file.exists():
            return False
        line = f"# a person's remark {len(self.lines) + 1}"
        self._write(path, f"{file.read_text().rstrip()}\n{line}\n")
        self._git("commit", "--quiet", "--message", line[2:])
        commit = self._git("rev-parse", "HEAD").stdout.strip()
        if self._git("push", "--quiet", "origin", "HEAD:main").returncode:
            # A commit that did not arrive may not go along with the next one, unseen.
            self._catch_up()
            if not file.exists() or line not in file.read_text().splitlines():
                return False
        self.lines.append((path, line))
        self.commits.append(commit)
        return True

    def take_back(self, ours: Callable[[str], bool]) -> str:
        """Rewrite the branch without its newest commit, if that is one of `ours`; which it was.

        By force, but not over what somebody pushed meanwhile: "" where that was so.
        """
        self._catch_up()
        gone = self._git("rev-parse", "HEAD").stdout.strip()
        if not ours(gone) or gone in self.commits:
            return ""
        lease = f"--force-with-lease=main:{gone}"
        refused = self._git("push", "--quiet", lease, "origin", "HEAD~1:main").returncode
        self._catch_up()
        return "" if refused else gone

    def _catch_up(self) -> None:
        self._git("fetch", "--quiet", "origin", "main")
        self._git("reset", "--quiet", "--hard", "FETCH_HEAD")

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.note()

    def _write(self, path: str, text: str) -> None:
        target = self._clone / path
        target.parent.mkdir(exist_ok=True, parents=True)
        target.write_text(text)
        self._git("add", path)

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        who = ["-c", "user.name=Platform Team", "-c", "user.email=platform@example.com"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=self._clone, capture_output=True, text=True
        )
