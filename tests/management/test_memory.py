"""Processes that live long: what they loaded is not looked through again, what they used goes back."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

# Large blocks that were freed make glibc keep the next ones, and threads get arenas of their own.
USE_MEMORY = """
import ctypes, gc, os, re, tempfile, threading
from onboarding.management import memory

libc = ctypes.CDLL(None)

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                 "uordblks", "fordblks", "keepcost")]

libc.mallinfo2.restype = Mallinfo
libc.fopen.restype = ctypes.c_void_p

def arenas():
    with tempfile.NamedTemporaryFile() as file:
        stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
        libc.malloc_info(0, stream)
        libc.fclose(stream)
        return len(re.findall(b"<heap nr=", file.read()))

{settle}
def work():
    for _ in range(20):
        bytes(8_000_000)
        bytearray(b"x" * 2_000)

threads = [threading.Thread(target=work) for _ in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
kept = [bytes(400_000) for _ in range(50)]
print(libc.mallinfo2().hblkhd >= 50 * 400_000, arenas(), gc.get_freeze_count() > 0)
"""
needs_glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="The C library is not glibc"
)


def told(settle: str) -> list[str]:
    code = USE_MEMORY.replace("{settle}", settle)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@needs_glibc
def test_it_gives_large_blocks_back_and_shares_one_arena() -> None:
    assert told("memory.settle()") == ["True", "1", "True"]


@needs_glibc
def test_without_it_glibc_keeps_them() -> None:
    large_go_back, arenas, frozen = told("")
    assert (large_go_back, frozen) == ("False", "False")
    assert int(arenas) > 1


def test_the_web_process_settles() -> None:
    command = [sys.executable, "-c", "import fleetui.asgi, gc; print(gc.get_freeze_count() > 0)"]
    environment = {**os.environ, "FLEETUI_EMBEDDED": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, cwd=os.getcwd()
    )
    assert done.stdout.split() == ["True"]
