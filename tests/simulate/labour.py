"""Work for the fleet's tests: functions of a module, from bytes to bytes."""

import os
import signal
import time
from hashlib import sha256
from pathlib import Path

from marketsim.saga.errors import InputError


def digest(task: bytes) -> bytes:
    """What every worker must agree on."""
    return sha256(task).hexdigest().encode()


def slow(task: bytes) -> bytes:
    """The same, after a moment."""
    time.sleep(0.02)
    return digest(task)


def whose(task: bytes) -> bytes:
    """The process that does it, after a moment."""
    time.sleep(0.05)
    return str(os.getpid()).encode()


def picky(task: bytes) -> bytes:
    """Refuses tasks by their name, in two ways."""
    if task == b"bug":
        raise ZeroDivisionError("one by nothing")
    if task == b"wrong":
        raise InputError("no such product", where="order.yaml:3", todo="did you mean 'laptop-1'?")
    return task


def mortal(task: bytes) -> bytes:
    """Kills its process the first time that it is done: the task is a folder in which that is noted."""
    folder, _, name = task.decode().rpartition("/")
    if name.startswith("mortal"):
        try:
            (Path(folder) / name).touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return digest(name.encode())


def deadly(task: bytes) -> bytes:
    """Kills its process whenever the task is this one."""
    if task == b"deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def unspeakable(task: bytes) -> object:
    """A result that cannot leave its process."""
    return lambda: task


def endless(task: bytes) -> bytes:
    """Notes its process in a folder, and is not done before the test is over."""
    folder, _, name = task.decode().rpartition("/")
    if name != "quick":
        (Path(folder) / str(os.getpid())).touch()
        time.sleep(60)
    return name.encode()
