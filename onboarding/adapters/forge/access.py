"""How a forge is reached, and its failures in words: the token is in neither."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from onboarding.adapters.hub_access import TokenFile, require_safe_url
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.reviews import CheckState

SECONDS = 20.0
"""How long a forge may take for one answer."""

_LONGEST_SAID = 300
_TEXT_LIMIT = 140  # GitHub's limit for the description of a commit status; the smallest


@dataclass(frozen=True, slots=True)
class ForgeAccess:
    """One project on a forge, and the branch that pull requests go into.

    `url` is https (http on loopback only), `project` its path there, `token_file` names the file
    with the token, `ca_file` the certificate authority of a private host ("" for the system's).
    """

    url: str
    project: str
    target: str
    token_file: str
    ca_file: str = ""

    def __post_init__(self) -> None:
        require_safe_url(self.url, what="the forge")
        if not self.token_file:
            raise Refused(
                "The forge needs a token to open pull requests. Name the file that holds it.",
                field="forge_token_file",
                code="no_token",
            )

    @property
    def owner(self) -> str:
        """The user, organisation or group that the project belongs to."""
        return self.project.rpartition("/")[0]

    def token(self) -> str:
        """The token of now; raises `Refused` where the file holds none."""
        return TokenFile(self.token_file).token()

    def verify(self) -> bool | str:
        """Whom to trust for TLS, as `requests` wants it."""
        return self.ca_file or True

    def failure(self, status: int, said: str, *, doing: str) -> FleetError:
        """The error for an answer of the forge: what was tried, what it said, what to do."""
        words = f"{self.url} answered {status} when asked to {doing}."
        quoted = f" It says: {self.scrub(said)}" if said else ""
        if status == 401:
            return Refused(
                f"{words} Put a current token into the forge's token file.{quoted}",
                field="forge_token_file",
                code="token_refused",
            )
        if status in (403, 404):
            return Refused(
                f"{words} The token's account needs to read {self.project}, and to write its pull "
                f"requests and commit statuses.{quoted}",
                field="forge_token_file",
                code="forbidden" if status == 403 else "not_found",
            )
        if status in (408, 423, 425, 429) or status >= 500:
            return Transient(f"{words} It is tried again.{quoted}")
        return Refused(f"{words}{quoted}", code="conflict" if status in (409, 422) else "refused")

    def away(self, error: Exception, *, doing: str) -> Transient:
        """The error for a forge that gives no answer; its own text may hold what it was sent."""
        return Transient(
            f"{self.url} cannot be reached to {doing} ({type(error).__name__}). It is tried again."
        )

    def unclear(self) -> Transient:
        """The error for an answer that is no description of a pull request."""
        return Transient(
            f"{self.url} described a pull request in a way that is not understood. It is tried "
            f"again; check that the forge's address is right."
        )

    def may_not_write(self) -> Refused:
        """The refusal of a token whose account may read the project only."""
        return Refused(
            f"{self.url} shows {self.project}, but the token's account may not write to it, so it "
            f"cannot open pull requests. Give it the right to write.",
            field="forge_token_file",
            code="forbidden",
        )

    def scrub(self, text: str) -> str:
        """What a forge said, fit for people: without the token, on one line, not too long."""
        try:
            token = self.token()
        except Refused:
            token = ""
        for secret in filter(None, (token, quote(token, safe=""))):
            text = text.replace(secret, "***")
        return "".join(char if char.isprintable() else " " for char in text)[:_LONGEST_SAID].strip()


def check_state(word: str, states: dict[str, CheckState]) -> CheckState:
    """A forge's word for how a check stands; what is not known is not taken for passed."""
    return states.get(word.lower(), CheckState.RUNNING)


def one_line(text: str) -> str:
    """A sentence that fits into every forge's commit status."""
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"


def moment(value: str | datetime | None) -> datetime | None:
    """A forge's time as a time; None for what is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if value is None:
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
