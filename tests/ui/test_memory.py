"""Memory of a server: threads share two heaps, and what is free goes back to the system."""

import ctypes
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="is about glibc")

# Threads that allocate at once, and the number of heaps that glibc then has.
THREADS = """
import ctypes, os, sys, threading
from latentstem.ui.memory import share_heaps

if sys.argv[1] == "shared":
    share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
barrier = threading.Barrier(16)

def allocate():
    barrier.wait()
    for _ in range(100):
        libc.malloc(10_000)
    barrier.wait()

threads = [threading.Thread(target=allocate) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fflush(file)
"""

# Blocks of which every hundredth stays in use, and the resident memory in MB with all, before and after the release.
BLOCKS = """
import ctypes
from latentstem.ui.memory import release_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
blocks = [libc.malloc(100_000) for _ in range(1000)]
for block in blocks:
    ctypes.memset(block, 1, 100_000)
print(resident())
for index, block in enumerate(blocks):
    if index % 100 != 99:
        libc.free(ctypes.c_void_p(block))
print(resident())
release_memory()
print(resident())
"""


def run(code, *words):
    return subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True).stdout


def test_threads_share_two_heaps():
    assert run(THREADS, "shared").count("<heap nr=") <= 2 < run(THREADS, "own").count("<heap nr=")


def test_what_is_free_goes_back_to_the_system():
    full, freed, released = map(float, run(BLOCKS).split())
    assert freed > full - 10 and released < full - 80


def test_a_system_without_these_calls_does_without(monkeypatch):
    from latentstem.ui import memory

    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    memory.share_heaps()
    memory.release_memory()
