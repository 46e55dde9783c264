"""A command that reaches nothing but this machine: `python -m campaigns.offline python -m pytest`.

It runs in a network namespace of its own, in which there is loopback and nothing else, so that native code cannot speak
to anybody either. Needs Linux with user namespaces, and util-linux's `unshare`. The exit code is the command's; 75
where there are no namespaces.
"""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence

NOT_HERE = 75
INSIDE = "--inside"
ASK, SET, UP = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP of Linux's if.h
REQUEST = "16sH22x"  # struct ifreq, with flags


def wrapped(words: Sequence[str]) -> list[str]:
    """The words that run a command without a network. Raises `RuntimeError` where there are no namespaces."""
    unshare = ["unshare", "--user", "--map-root-user", "--net"]
    lent = (
        shutil.which("unshare") and not subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    )
    if not lent:
        raise RuntimeError("This machine lends no network namespaces: Linux with user namespaces and unshare has them.")
    return [*unshare, sys.executable, "-m", "campaigns.offline", INSIDE, *words]


def loopback() -> None:
    """Bring up loopback in this namespace; its addresses come with it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        said = fcntl.ioctl(any_socket, ASK, struct.pack(REQUEST, b"lo", 0))
        _, flags = struct.unpack(REQUEST, said)
        fcntl.ioctl(any_socket, SET, struct.pack(REQUEST, b"lo", flags | UP))


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that follows, and give its exit code."""
    said = list(sys.argv[1:] if words is None else words)
    if not said:
        sys.stderr.write("Which command? python -m campaigns.offline COMMAND...\n")
        return 2
    if said[0] == INSIDE:
        loopback()
        return subprocess.run(said[1:], check=False).returncode
    try:
        return subprocess.run(wrapped(said), check=False).returncode
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return NOT_HERE


if __name__ == "__main__":
    sys.exit(main())
