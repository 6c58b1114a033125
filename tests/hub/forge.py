"""A real Gitea as a process of its own: a forge with pull requests, protected branches and webhooks."""

from __future__ import annotations

import base64
import os
import pwd
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from onboarding.demo.processes import free_ports
from tests import engines, repositories
from tests.hub import binaries
from tests.hub.certificates import write_serving_certificate

_START_SECONDS = 120
_SETTINGS = """
APP_NAME = Forge
RUN_USER = {user}
RUN_MODE = prod
WORK_PATH = {folder}
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
PROTOCOL = https
DOMAIN = 127.0.0.1
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {port}
ROOT_URL = {url}/
CERT_FILE = {folder}/tls.crt
KEY_FILE = {folder}/tls.key
STATIC_ROOT_PATH = {static}
DISABLE_SSH = true
OFFLINE_MODE = true
[database]
DB_TYPE = postgres
HOST = {database}
NAME = fleetui
USER = fleetui
SSL_MODE = disable
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret}
PASSWORD_HASH_ALGO = pbkdf2_v1
[webhook]
ALLOWED_HOST_LIST = loopback
[indexer]
ISSUE_INDEXER_TYPE = db
[repository.signing]
SIGNING_KEY = none
[log]
MODE = console
LEVEL = Warn
[actions]
ENABLED = false
[cron]
ENABLED = false
"""


class Gitea:
    """The server, its people, and what they do with the API of their own accounts."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.ca_file = folder / "ca.crt"
        self.tokens: dict[str, str] = {}

    def person(self, name: str, *, admin: bool = False) -> str:
        """Give somebody an account; returns its token."""
        who = ["--username", name, "--email", f"{name}@example.com", "--random-password"]
        must = ["--must-change-password=false", *(["--admin"] if admin else [])]
        self.run("admin", "user", "create", *who, *must)
        said = self.run(
            "admin", "user", "generate-access-token", "--username", name, "--scopes", "all", "--raw"
        )
        self.tokens[name] = said.split()[-1]
        return self.tokens[name]

    def run(self, *arguments: str) -> str:
        """Run one of Gitea's own commands."""
        done = subprocess.run(
            [binaries.path("gitea"), "--config", self.folder / "app.ini", *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_environment(self.folder),
        )
        assert done.returncode == 0, f"gitea {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, who: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call of the API, as somebody; an answer that is no success fails the test."""
        answer = self.call(who, method, path, body)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def call(
        self, who: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> requests.Response:
        """One call of the API, as somebody, whatever comes of it."""
        return requests.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"Authorization": f"token {self.tokens[who]}"},
            verify=str(self.ca_file),
            timeout=30,
        )

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            return requests.get(f"{self.url}/api/healthz", verify=str(self.ca_file), timeout=5).ok
        except requests.RequestException:
            return False


class Project:
    """One repository on the forge, with those who look after it."""

    def __init__(self, gitea: Gitea, name: str, bare: Path) -> None:
        self.gitea = gitea
        self.path = f"platform/{name}"
        self.url = f"{gitea.url}/{self.path}.git"
        gitea.ask("maria", "POST", "/orgs/platform/repos", {"name": name, "default_branch": "main"})
        add = {"permission": "write"}
        self.ask("PUT", "/collaborators/fleet-ui", add)
        token = gitea.tokens["maria"]
        address = self.url.replace("https://", f"https://maria:{token}@")
        repositories.git(
            bare, "-c", f"http.sslCAInfo={gitea.ca_file}", "push", "--quiet", address, "main"
        )

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, who: str = "maria"
    ) -> Any:
        """One call below the project."""
        return self.gitea.ask(who, method, f"/repos/{self.path}{path}", body)

    def pulls(self) -> list[dict[str, Any]]:
        """All pull requests, in whatever state."""
        found: list[dict[str, Any]] = self.ask("GET", "/pulls?state=all")
        return found

    def merge(self, number: int, how: str) -> None:
        """Merge as a maintainer: `merge`, `squash` or `rebase`; Gitea has to be ready for it."""
        path = f"/repos/{self.path}/pulls/{number}/merge"
        until(lambda: self.gitea.call("maria", "POST", path, {"Do": how}).ok)

    def write(self, path: str, text: str, *, branch: str = "main") -> None:
        """Commit one file by hand, new or not."""
        content = base64.b64encode(text.encode()).decode()
        body = {"branch": branch, "content": content, "message": f"Write {path}"}
        found = self.gitea.call("maria", "GET", f"/repos/{self.path}/contents/{path}?ref={branch}")
        if found.ok:
            self.ask("PUT", f"/contents/{path}", {**body, "sha": found.json()["sha"]})
        else:
            self.ask("POST", f"/contents/{path}", body)

    def protect(self, **more: Any) -> None:
        """Let nobody but maria push to main; pull requests are merged as before."""
        pushing = {"enable_push_whitelist": True, "push_whitelist_usernames": ["maria"]}
        rule = {"rule_name": "main", "enable_push": True, **pushing, **more}
        self.ask("POST", "/branch_protections", rule)

    def branches(self) -> set[str]:
        """The names of all branches."""
        return {each["name"] for each in self.ask("GET", "/branches")}

    def log(self) -> list[str]:
        """The messages of main's history, newest first."""
        return [
            each["commit"]["message"] for each in self.ask("GET", "/commits?sha=main&stat=false")
        ]

    def statuses(self, commit: str) -> list[tuple[str, str]]:
        """Our commit statuses of a commit, newest first: how it stands, and the sentence."""
        found = self.ask("GET", f"/commits/{commit}/statuses")
        found.sort(key=lambda each: each["id"], reverse=True)
        return [(each["status"], each["description"]) for each in found]


@contextmanager
def real_gitea(folder: Path) -> Iterator[Gitea]:
    """Run Gitea on a PostgreSQL of its own, with an organisation and two accounts.

    `fleet-ui` is the product's, `maria` a person who looks after the forge.
    """
    folder.chmod(0o755)
    write_serving_certificate(folder)
    (port,) = free_ports(1)
    gitea = Gitea(folder, f"https://127.0.0.1:{port}")
    with engines.postgres() as database:
        settings = _SETTINGS.format(
            user=pwd.getpwuid(os.geteuid()).pw_name,
            folder=folder,
            port=port,
            url=gitea.url,
            static=binaries.manifests("gitea"),
            database=database.partition("@")[2].partition("/")[0],
            secret=secrets.token_hex(32),
        )
        (folder / "app.ini").write_text(settings)
        gitea.run("migrate")
        log = folder / "gitea.log"
        with (
            log.open("ab") as out,
            subprocess.Popen(
                [binaries.path("gitea"), "--config", folder / "app.ini", "web"],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=_environment(folder),
            ) as process,
        ):
            try:
                until(gitea.answers, seconds=_START_SECONDS, said=log.read_text)
                gitea.person("maria", admin=True)
                gitea.person("fleet-ui")
                gitea.ask("maria", "POST", "/orgs", {"username": "platform"})
                yield gitea
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


def until(
    ready: Callable[[], bool], *, seconds: float = 60, said: Callable[[], str] = lambda: ""
) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"It does not happen. {said()[-2000:]}"
        time.sleep(0.1)


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of ours but where programs are; a home of its own for its git."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "GITEA_WORK_DIR": str(folder)}
