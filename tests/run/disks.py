"""Disks that fail: a full one and a read-only one, real where the machine lets us."""

import contextlib
import os
import resource
import subprocess


@contextlib.contextmanager
def file_size_limit(limit):
    """Within the block no file can grow beyond ``limit`` bytes (EFBIG)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own in ``folder``; gives False where mounting is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={size}", "t", folder)
    try:
        yield mounted
    finally:
        if mounted:
            _run("umount", "-l", folder)


def remount(folder, change):
    """Read-only (``ro``) or with another ``size=``; gives whether it could be done."""
    return _run("mount", "-o", f"remount,{change}", folder)


def _run(*command):
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0
