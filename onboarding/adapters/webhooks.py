"""Calls to webhooks: https alone, to a public address alone, no redirect followed, little read."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

import urllib3
from urllib3.util import Timeout

from onboarding.domain.errors import Refused, Transient

_SECONDS = 10.0
_MOST_READ = 2_000
_GONE = frozenset({400, 401, 403, 404, 405, 410, 413})


class HttpsSender:
    """Posts to the address that a name stands for at that moment, and to no other.

    A name is resolved once and the connection made to what was found, so that a name which points
    elsewhere a moment later (DNS rebinding) leads nowhere. Addresses of private networks, of this
    machine, and link-local ones (clouds' metadata) are refused, but for the host names in `inside`,
    which whoever runs the installation has set. `ca_file` is for receivers with an authority of
    their own.
    """

    def __init__(self, *, inside: Collection[str] = (), ca_file: str = "") -> None:
        self._inside = frozenset(inside)
        self._ca_file = ca_file or None

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> None:
        """Send one body. Raises `Refused` where it never will be taken, `Transient` otherwise."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" or not host or parts.username or parts.password:
            raise Refused("A webhook's address is https, without a user.", code="invalid_address")
        address = self._address(host, parts.port or 443)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        name = host if parts.port in (None, 443) else f"{host}:{parts.port}"
        pool = urllib3.HTTPSConnectionPool(
            address,
            parts.port or 443,
            assert_hostname=host,
            server_hostname=host,
            ca_certs=self._ca_file,
            cert_reqs="CERT_REQUIRED",
            timeout=Timeout(total=_SECONDS),
            retries=False,
        )
        try:
            answer = pool.urlopen(
                "POST",
                target,
                body=body,
                headers={**headers, "Host": name},
                redirect=False,
                preload_content=False,
            )
            try:
                said = answer.read(_MOST_READ).decode("utf-8", "replace")
            finally:
                answer.close()
        except urllib3.exceptions.SSLError as error:
            raise Transient(f"The certificate of {host} is not trusted.") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Transient(f"{host} did not answer in time, or not at all.") from error
        finally:
            pool.close()
        if 300 <= answer.status < 400:
            raise Refused(f"{host} redirects, which is not followed.", code="redirected")
        if answer.status >= 400:
            short = " ".join(said.split())[:200]
            message = f"{host} answered {answer.status}{f': {short}' if short else ''}."
            raise (
                Refused(message, code="not_taken") if answer.status in _GONE else Transient(message)
            )

    def _address(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Transient(f"{host} cannot be resolved.") from error
        addresses = [str(one[4][0]) for one in found]
        if host not in self._inside:
            for one in addresses:
                if not _is_public(one):
                    raise Refused(
                        f"{host} is an address inside a private network, which webhooks do not "
                        "reach. Whoever runs the installation can allow the name in "
                        "WEBHOOK_INSIDE_HOSTS.",
                        code="private_address",
                    )
        return addresses[0]


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # An IPv4 address in IPv6's clothes reaches what the IPv4 address does.
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None and not inner.is_global:
            return False
        if address in ipaddress.ip_network("64:ff9b::/96"):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF).is_global
    return address.is_global and not address.is_multicast
