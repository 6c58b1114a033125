"""`python -m onboarding.demo.broker --port N`: the demo's message broker, on loopback.

It speaks the Redis protocol, so the product uses the same `redis://` way as in production. It keeps
nothing: the rows of the database are the truth, and a lost message costs seconds.
"""

from __future__ import annotations

import argparse

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m onboarding.demo.broker", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    # Without TCP_NODELAY each small answer waits for the other side's delayed acknowledgement:
    # 90 ms instead of 16 ms from a call to its work.
    TCPFakeRequestHandler.disable_nagle_algorithm = True
    TcpFakeServer(("127.0.0.1", parser.parse_args().port)).serve_forever()


if __name__ == "__main__":
    main()
