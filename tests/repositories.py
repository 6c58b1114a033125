"""Real Git repositories for tests, made with plain git and nothing of the product."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

TEMPLATE = Path(__file__).parents[1] / "onboarding/fleet_template"
Content = str | bytes | None
"""A file's content; None removes the file."""

REGULAR, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"


def git(repository: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run plain git on a bare repository and return what it printed; a failure fails the test."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    done = subprocess.run(
        ["git", f"--git-dir={repository}", *arguments],
        input=stdin,
        capture_output=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def bare_repository(
    path: Path, files: Mapping[str, Content] | None = None, *, branch: str = "main"
) -> Path:
    """A bare repository at `path`; with a first commit of `files`, or without any commit."""
    path.mkdir(parents=True, exist_ok=True)
    git(path, "init", "--quiet", "--bare", f"--initial-branch={branch}")
    if files is not None:
        commit(path, files, message="First commit", branch=branch)
    return path


def repository_from_folder(path: Path, source: Path, *, branch: str = "main") -> Path:
    """A bare repository whose history is `source`'s folders in order (`01-name/`, `02-name/`, ...).

    Each folder is one commit that holds exactly its files; a source without such folders is one
    commit.
    """
    bare_repository(path, branch=branch)
    steps = sorted(step for step in source.iterdir() if step.is_dir() and step.name[:2].isdigit())
    for step in steps or [source]:
        wanted = {
            file.relative_to(step).as_posix(): file.read_bytes()
            for file in sorted(step.rglob("*"))
            if file.is_file()
        }
        gone: dict[str, Content] = {name: None for name in tree(path, branch) if name not in wanted}
        commit(path, {**gone, **wanted}, message=step.name, branch=branch)
    return path


def commit(
    repository: Path,
    files: Mapping[str, Content],
    *,
    message: str = "A commit by hand",
    author: str = "Platform Team <platform@example.com>",
    branch: str = "main",
    modes: Mapping[str, str] | None = None,
    seconds: int = 1_750_000_000,
) -> str:
    """Commit on top of the branch, straight into the bare repository; return the new SHA.

    `modes` gives a path another kind than a regular file: `LINK` (content is the target),
    `SUBMODULE` (content is the commit's SHA), `EXECUTABLE`.
    """
    lines = [f"commit refs/heads/{branch}".encode(), f"committer {author} {seconds} +0000".encode()]
    lines.append(_data(message.encode()))
    if tip(repository, branch):
        lines.append(f"from refs/heads/{branch}^0".encode())
    for path, content in files.items():
        mode = (modes or {}).get(path, REGULAR)
        data = content.encode() if isinstance(content, str) else content
        if data is None:
            lines.append(f"D {path}".encode())
        elif mode == SUBMODULE:
            lines.append(f"M {mode} {data.decode()} {path}".encode())
        else:
            lines += [f"M {mode} inline {path}".encode(), _data(data)]
    git(repository, "fast-import", "--quiet", "--force", stdin=b"\n".join(lines) + b"\n")
    return tip(repository, branch)


def tip(repository: Path, branch: str = "main") -> str:
    """The branch's commit; "" where it has none."""
    return git(repository, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")


def tree(repository: Path, commit: str = "main") -> dict[str, bytes]:
    """Path -> content of all files at a commit or branch; empty where there is no such commit."""
    if not git(repository, "for-each-ref"):
        return {}
    names = git(repository, "ls-tree", "-r", "--name-only", "-z", commit).split("\0")
    return {name: _show(repository, f"{commit}:{name}") for name in names if name}


def log(repository: Path, *, branch: str = "main") -> list[str]:
    """The full messages of the branch's history, newest first."""
    if not tip(repository, branch):
        return []
    return [
        message.strip()
        for message in git(repository, "log", "--format=%B%x00", branch).split("\0")
        if message.strip()
    ]


def rewind(repository: Path, commit: str, *, branch: str = "main") -> None:
    """Rewrite history: set the branch to an older or other commit, as a force-push does."""
    git(repository, "update-ref", f"refs/heads/{branch}", commit)


def install_hook(repository: Path, name: str, script: str) -> None:
    """Give the remote a server-side hook (`pre-receive`, `post-receive`) of shell text."""
    hook = repository / "hooks" / name
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n" + script + "\n", encoding="utf-8")
    hook.chmod(0o755)


def remove_hook(repository: Path, name: str) -> None:
    """Take the hook away again."""
    (repository / "hooks" / name).unlink()


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content


def _show(repository: Path, spec: str) -> bytes:
    return subprocess.run(
        ["git", f"--git-dir={repository}", "cat-file", "blob", spec],
        capture_output=True,
        check=True,
    ).stdout


def many_members(
    path: Path, number: int, *, hubs: int = 10, tenants: int = 50, layout: str = "tenants"
) -> Path:
    """A bare repository of the shipped fleet with `number` members, as one commit made by a script.

    Every member has a labels file of its own below its tenant.
    """
    from onboarding.services.initializing import TEMPLATE

    files: dict[str, Content] = {
        file.relative_to(TEMPLATE).as_posix(): file.read_bytes()
        for file in TEMPLATE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    for index in range(number):
        cluster, hub, tenant = f"spoke-{index:05}", f"hub-{index % hubs}", f"team-{index % tenants}"
        environment = ("dev", "staging", "prod")[index % 3]
        distributed = "true" if index % 10 == 0 else "false"
        files[f"fleet/fleet-bootstrap/fleet-members/{hub}/{cluster}.yaml"] = (
            f'tenant: "{tenant}"\nclusterName: "{cluster}"\nenvironment: "{environment}"\n'
            f'secretManagerSecretName: "fleet/{cluster}"\nuse_remote_argo: "{distributed}"\n'
            f'enable_remote_resources: "false"\nenable_remote_addons: "{distributed}"\n'
        )
        own = f"addons/tenants/{tenant}/clusters/{cluster}/fleet/fleet-secret/values.yaml"
        channel = "release1" if index % 4 == 0 else "default"
        files[own] = f'externalSecret:\n  labels:\n    addonsRelease: "{channel}"\n'
    return bare_repository(path, files)


def line_of_members() -> int:
    """Where the shipped registration says which files are members."""
    registration = TEMPLATE / "fleet/fleet-bootstrap/fleet-hub-external-secrets.yaml"
    lines = enumerate(registration.read_text().splitlines(), start=1)
    return next(
        number for number, line in lines if "- path: 'fleet/fleet-bootstrap/fleet-members/" in line
    )
