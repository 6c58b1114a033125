"""Whence a request comes, where proxies stand between."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)


def visitor_of(
    peer: str, forwarded: str, proxies: Iterable[IPv4Network | IPv6Network]
) -> str | None:
    """The visitor's address: of the peer, or of whom trusted proxies name; None where nobody knows.

    `forwarded` (X-Forwarded-For) is read from its end, and only as far as the word of each next hop is
    that of a trusted proxy: what a visitor sends under this name is never believed.
    """
    trusted = list(proxies)
    found = _address(peer)
    for hop in reversed(forwarded.split(",")):
        if found is None or not any(found in network for network in trusted):
            break
        before = _address(hop.strip())
        if before is None:
            break
        found = before
    return str(found) if found else None


def network_of(address: str | None) -> str:
    """Whom an address counts for: itself, or in IPv6 the network that one person is given."""
    if address is None:
        return ""
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return address


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
