"""What the demo hub reads: the bare repository on disk and the Secrets Manager stand-in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Protocol

from onboarding.domain.snapshot import Snapshot, SnapshotFile


class DatedSnapshot(Snapshot, Protocol):
    """A snapshot that knows when its commit was made."""

    @property
    def committed_at(self) -> float:
        """Seconds since 1970."""
        ...


class Secrets(Protocol):
    """The secrets that the hub's operator can read."""

    def server_of(self, name: str) -> str | None:
        """The spoke's API address in the secret, or None where it cannot be read."""
        ...

    @property
    def answers(self) -> bool:
        """Whether the service answered the last time."""
        ...


class RepositorySnapshot:
    """A bare repository at one commit (port `Snapshot`): plain files only, read on demand."""

    def __init__(self, repository: Any, commit: Any) -> None:
        """Take an open pygit2 repository and one of its commits."""
        self._repository = repository
        self._tree = commit.tree
        self._commit = str(commit.id)
        self._committed_at = float(commit.commit_time)
        self._paths: tuple[str, ...] | None = None

    @property
    def commit(self) -> str:
        """The commit's SHA."""
        return self._commit

    @property
    def committed_at(self) -> float:
        """When the commit was made, in seconds since 1970."""
        return self._committed_at

    def read(self, path: str) -> SnapshotFile | None:
        """The file at `path`; a folder, link or submodule is none."""
        try:
            entry = self._tree[path]
        except (KeyError, ValueError):
            return None
        if entry.filemode not in {0o100644, 0o100755}:
            return None
        return SnapshotFile(path, str(entry.id), bytes(entry.data))

    def paths(self, prefix: str = "") -> Iterable[str]:
        """All files' paths below a folder, sorted."""
        if self._paths is None:
            self._paths = tuple(sorted(_files(self._tree, "")))
        start = f"{prefix}/" if prefix else ""
        return tuple(path for path in self._paths if path.startswith(start))


def open_snapshot(folder: str, branch: str) -> RepositorySnapshot | None:
    """The branch of the bare repository in `folder` as it is now; None where it has no commit."""
    import pygit2

    repository = pygit2.Repository(folder)
    reference = repository.references.get(f"refs/heads/{branch}")
    if reference is None:
        return None
    return RepositorySnapshot(repository, reference.peel(pygit2.Commit))


def _files(tree: Any, folder: str) -> Iterable[str]:
    for entry in tree:
        if entry.filemode == 0o040000:
            yield from _files(entry, f"{folder}{entry.name}/")
        elif entry.filemode in {0o100644, 0o100755}:
            yield f"{folder}{entry.name}"


class EndpointSecrets:
    """Secrets behind an AWS endpoint on loopback; only the address of a spoke is taken from one."""

    def __init__(self, *, endpoint: str, region: str) -> None:
        """Connect to `endpoint` with credentials that mean nothing, as stand-ins accept them."""
        import boto3
        from botocore.config import Config

        self._client = boto3.client(
            "secretsmanager",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="demo",
            aws_secret_access_key="demo",  # noqa: S106 -- stand-ins accept any
            config=Config(connect_timeout=1, read_timeout=3, retries={"max_attempts": 1}),
        )
        self._answers = True

    @property
    def answers(self) -> bool:
        """Whether the endpoint answered the last time."""
        return self._answers

    def server_of(self, name: str) -> str | None:
        """The key `server` of a secret that also has `config`; None where either cannot be read."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            text = self._client.get_secret_value(SecretId=name)["SecretString"]
            self._answers = True
            document = json.loads(text)
        except ClientError:
            self._answers = True
            return None
        except BotoCoreError:
            self._answers = False
            return None
        except (KeyError, ValueError):
            return None
        if not isinstance(document, dict) or not document.get("config"):
            return None
        server = document.get("server")
        return server if isinstance(server, str) and server else None


class NoSecrets:
    """Where no endpoint is given: every secret is there, and the spoke's address is made up."""

    answers = True

    def server_of(self, name: str) -> str | None:
        """An address that cannot exist, made from the secret's name."""
        return f"https://{name.replace('/', '-').lower()}.invalid" if name else None
