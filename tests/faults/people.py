"""People at the same branch."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path


class Human:
    """Somebody who commits and pushes with plain git from a clone, again and again."""

    def __init__(self, bare: Path, folder: Path, *, every: float) -> None:
        self.files: dict[str, str] = {}
        self.commits: list[str] = []
        self._bare = bare
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

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(self._every):
            number += 1
            path = f"docs/{number}.md"
            self.files[path] = f"note {number}\n"
            target = self._clone / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(self.files[path])
            self._git("add", path)
            self._git("commit", "--quiet", "--message", f"Note {number}")
            while self._git("push", "--quiet", "origin", "HEAD:main").returncode:
                self._git("pull", "--quiet", "--rebase", "origin", "main")
            self.commits.append(self._git("rev-parse", "HEAD").stdout.strip())

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        who = ["-c", "user.name=Platform Team", "-c", "user.email=platform@example.com"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=self._clone, capture_output=True, text=True
        )
