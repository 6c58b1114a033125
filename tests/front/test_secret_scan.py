"""The scan for secrets of `./fleet lint`: it finds one, says where, and does not repeat it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCAN = Path(__file__).parents[2] / ".ci" / "secret_scan.py"


def scan(folder: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    subprocess.run(["git", "-C", folder, "add", "."], check=True)
    return subprocess.run([sys.executable, SCAN], cwd=folder, capture_output=True, text=True)


def test_it_finds_secrets_and_keeps_them(tmp_path: Path) -> None:
    key, token = "AKIA" + "QWERTYUIOPASDFGH", "ghp_" + "a1B2" * 9
    done = scan(
        tmp_path,
        {
            "a.py": f"x = 1\nkey = '{key}'\n",
            "docs/b.md": f"{token}\n",
            "c.pem": "-----BEGIN " + "RSA PRIVATE KEY-----\n",
        },
    )
    assert done.returncode == 1
    assert {line.partition(": ")[0] for line in done.stdout.splitlines()} == {
        "a.py:2", "docs/b.md:1", "c.pem:1",
    }  # fmt: skip
    assert key not in done.stdout
    assert token not in done.stdout


def test_it_passes_what_is_none(tmp_path: Path) -> None:
    done = scan(tmp_path, {"a.py": "url = 'https://user:password@host'\nip = '93.184.216.34'\n"})
    assert (done.returncode, done.stdout) == (0, "")
