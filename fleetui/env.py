"""Reads settings from the environment and refuses, by name, what it cannot use."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
_ORIGIN = re.compile(r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class Environment(FileAwareEnv):  # type: ignore[misc]  # it has no types
    """django-environ, but loud.

    * `NAME_FILE` gives the value by file (for secrets); the newline at its end is dropped.
    * An empty value counts as not given, as Compose passes what is not set.
    * A value that cannot be read fails with the variable's name, never with the value: it may be
      a secret. For the same reason a value beginning with `$` is taken as it is.
    """

    def __init__(self) -> None:
        """Look at the environment as it is at each question: django-environ keeps files it read."""
        super().__init__()
        self.ENVIRON = FileAwareMapping(cache=False)
        self._files: set[str] = set()

    def get_value(
        self,
        var: str,
        cast: Any = None,
        default: Any = FileAwareEnv.NOTSET,
        parse_default: bool = False,
    ) -> Any:
        """Return one variable, cast, or its default; raise ImproperlyConfigured with its name."""
        value = self._text(var)
        if not value:
            if default is self.NOTSET:
                raise ImproperlyConfigured(
                    f"Set {var}, or {var}_FILE to the path of a file that holds it."
                )
            return self._parsed(var, default, cast) if parse_default and default else default
        return self._parsed(var, value, cast)

    def db_url(self, var: str = "DATABASE_URL", default: Any = "", engine: Any = None) -> Any:
        """Return Django's description of the database that an address names."""
        address = str(self.get_value(var, default=default))
        config: Any = None
        # Asked first: django-environ's own complaint about the scheme would show the password.
        if address.partition("://")[0] in self.DB_SCHEMES:
            with suppress(ValueError, TypeError):
                config = self.db_url_config(address, engine)
        if not config:
            raise ImproperlyConfigured(
                f"{var} is not a database address such as "
                "postgres://user:password@host:5432/name or sqlite:////folder/file."
            )
        return config

    def own_files(self) -> list[str]:
        """The files of this installation's own secrets: of values asked for so far, and of AWS."""
        aws = {name for name in os.environ if name.startswith("AWS_") and name.endswith("_FILE")}
        return sorted(filter(None, map(os.environ.get, self._files | aws)))

    def web_address(self, var: str) -> str:
        """Return an origin such as https://fleet.example.com, without a final slash; "" if not set."""
        address = str(self.get_value(var, default="")).rstrip("/")
        if address and not _ORIGIN.fullmatch(address):
            raise ImproperlyConfigured(
                f"{var} must be an origin such as https://fleet.example.com, without a path."
            )
        return address

    def networks(self, var: str) -> list[IPv4Network | IPv6Network]:
        """Return networks such as 10.0.0.0/8, or single addresses, parted by commas; [] if not set."""
        try:
            return [ip_network(one.strip()) for one in self.list(var, default=[])]
        except ValueError:
            raise ImproperlyConfigured(
                f"{var} must be networks or addresses such as 10.0.0.0/8,192.0.2.7."
            ) from None

    def _text(self, var: str) -> str:
        self._files.add(f"{var}_FILE")
        try:
            return str(self.ENVIRON[var]).strip()
        except KeyError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise ImproperlyConfigured(
                f"{var}_FILE names a file that cannot be read: {reason}."
            ) from None

    def _parsed(self, var: str, value: Any, cast: Any) -> Any:
        if cast is bool:
            return _truth(var, value)
        try:
            return self.parse_value(value, cast)
        except (ValueError, TypeError, KeyError):
            kind = getattr(cast, "__name__", "list")
            raise ImproperlyConfigured(f"{var} is not a valid {kind}.") from None


def _truth(var: str, value: str) -> bool:
    word = value.lower()
    if word in TRUE_WORDS | FALSE_WORDS:
        return word in TRUE_WORDS
    raise ImproperlyConfigured(f"{var} must be 1 or 0 (also: true, false, yes, no, on, off).")


def kept_secret(path: Path) -> str:
    """Return the random secret kept in a file, made on the first call; only its owner reads it.

    Several processes may start at once: the file appears complete or not at all, and the first
    one wins.
    """
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was faster: its secret is the one that is kept
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")
