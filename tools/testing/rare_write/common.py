# SPDX-License-Identifier: GPL-2.0-only
"""What the other scripts share: where things are, how steps are shown."""
import os
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(TOP, 'build')
SRC = os.path.join(BUILD, 'linux-6.12')
LOGS = os.path.join(BUILD, 'logs')

ARCHES = {
    'x86_64': {'image': 'arch/x86/boot/bzImage', 'target': 'bzImage', 'cross': '',
               'triple': 'x86_64-linux-gnu', 'machine': 'x86-64'},
    'arm64': {'image': 'arch/arm64/boot/Image', 'target': 'Image',
              'cross': 'aarch64-linux-gnu-', 'triple': 'aarch64-linux-gnu',
              'machine': 'AArch64'},
}
CONFIGS = ('test', 'prod', 'off')
TOOLCHAINS = ('clang', 'gcc')


def die(message):
    """End with one clear line."""
    print(f'error: {message}', file=sys.stderr)
    sys.exit(1)


def choose(name, value, choices):
    """Return value if it is one of choices, else end."""
    if value not in choices:
        die(f'{name}={value} is unknown, choose one of: {" ".join(choices)}')
    return value


def object_folder(arch, config, toolchain='clang'):
    return os.path.join(BUILD, f'{arch}-{config}-{toolchain}')


class Step:
    """Say what takes long and how long it took; stderr, so that output stays usable."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        self.start = time.monotonic()
        self.done = threading.Event()
        print(f'{self.what} ...', file=sys.stderr, flush=True)
        threading.Thread(target=self.beat, daemon=True).start()
        return self

    def beat(self):
        while not self.done.wait(60):
            print(f'  still at it after {time.monotonic() - self.start:.0f} s',
                  file=sys.stderr, flush=True)

    def __exit__(self, kind, *_):
        self.done.set()
        if kind is None:
            print(f'  {time.monotonic() - self.start:.0f} s', file=sys.stderr, flush=True)


def logged(argv, log, what, **kwargs):
    """Run a command with its output in a log; show the log's end if it fails."""
    os.makedirs(LOGS, exist_ok=True)
    path = os.path.join(LOGS, log)
    with open(path, 'wb') as out:
        rc = subprocess.call(argv, stdout=out, stderr=subprocess.STDOUT, **kwargs)
    if rc:
        with open(path, errors='replace') as log_file:
            sys.stderr.write(''.join(log_file.readlines()[-30:]))
        die(f'{what} failed, see {os.path.relpath(path)}')
