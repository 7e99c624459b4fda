# SPDX-License-Identifier: GPL-2.0-only
"""What the other scripts share: where things are, how steps are shown."""
import contextlib
import csv
import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time


def die(message):
    """End with one clear line."""
    print(f'error: {message}', file=sys.stderr)
    end = SystemExit(1)
    end.why = message
    raise end


def choose(name, value, choices):
    """Return value if it is one of choices, else end."""
    if value not in choices:
        die(f'{name}={value} is unknown, choose one of: {" ".join(choices)}')
    return value


TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
HERE = os.path.dirname(os.path.abspath(__file__))
# The kernels that the series is kept for; see patches.
KERNELS = ('6.12', '7.3')
KERNEL = choose('KERNEL', os.environ.get('KERNEL') or KERNELS[0], KERNELS)
# All that is made of another than the first has a folder of its own.
BUILD = os.path.join(TOP, 'build', *(() if KERNEL == KERNELS[0] else (KERNEL,)))
SRC = os.path.join(BUILD, f'linux-{KERNEL}')
LOGS = os.path.join(BUILD, 'logs')

ARCHES = {
    'x86_64': {'image': 'arch/x86/boot/bzImage', 'target': 'bzImage', 'cross': '', 'source': 'x86',
               'triple': 'x86_64-linux-gnu', 'machine': 'x86-64', 'debian': 'amd64',
               'tty': 'ttyS0'},
    'arm64': {'image': 'arch/arm64/boot/Image', 'target': 'Image',
              'cross': 'aarch64-linux-gnu-', 'source': 'arm64', 'triple': 'aarch64-linux-gnu',
              'machine': 'AArch64', 'debian': 'arm64', 'tty': 'ttyAMA0'},
}
# The fragments of each kernel, after base.config and the architecture's.
CONFIGS = {'test': ('test',), 'prod': ('prod',), 'off': ('off',), 'cr0': ('prod', 'cr0'),
           'lto': ('prod', 'lto'), 'bench': ('prod', 'bench'),
           **{name: ('test', name) for name in
              ('kasan', 'kcsan', 'voluntary', 'rt', 'cfi', 'lifecycle',
               '16k', '64k', 'lpa2')},
           'lint': ('test', 'hardened', 'bench', 'lint'),
           'hardened': ('test', 'hardening', 'rare_write', 'hardened'),
           'exposed': ('test', 'hardening', 'rare_write', 'hardened', 'exposed'),
           'shipped': ('prod', 'hardening', 'rare_write', 'hardened'),
           'series': ('series',)}
# Of these, the one that differs so little that its objects are a good start.
NEAR = {'off': 'bench', 'cr0': 'bench', 'prod': 'bench', 'lifecycle': 'test', 'exposed': 'hardened'}
# What the quick tier boots, as hardened as it gets and with all checks: there is no time for more
# kernels. The smaller test kernel is for the demo, for mutants, and for what make check-full has.
MAIN = 'hardened'
TOOLCHAINS = ('clang', 'gcc')


def object_folder(arch, config, toolchain='clang'):
    return os.path.join(BUILD, f'{arch}-{config}-{toolchain}')


def first_line(*argv):
    """The first line of what a program prints: usually its version."""
    return subprocess.check_output(argv, text=True).splitlines()[0]


def write_whole(path, text):
    """Write a file so that it is never seen half written."""
    tmp = f'{path}.{os.getpid()}.tmp'
    with open(tmp, 'w') as file:
        file.write(text)
    os.rename(tmp, path)


def renew_table(path, columns, rows):
    """Write {architecture: its row} to a table of the documentation, turned: a column for each.
    An architecture that is not among them keeps what it has, if that has the same columns."""
    kept = {}
    if os.path.exists(path):
        with open(path, newline='') as file:
            names, *old = zip(*csv.reader(file))
        kept = {row[0]: row for row in old} if names == tuple(columns) else {}
    kept.update(rows)
    with open(path, 'w', newline='') as file:
        csv.writer(file, lineterminator='\n').writerows(
            zip(columns, *(kept[arch] for arch in ARCHES if arch in kept)))


@contextlib.contextmanager
def locked(name):
    """One program of ours at a time, make run beside make check included."""
    with open(os.path.join(BUILD, f'{name}.lock'), 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# What runs, which threads are about to start more, whether it is too late for that, and why.
LIVE = set()
STARTING = set()
STOPPED = threading.Event()
REASON = []


@contextlib.contextmanager
def child(argv, **kwargs):
    """Start a program that does not outlive this one."""
    if STOPPED.is_set():
        sys.exit(1)
    # An interrupt in between would leave behind what nobody knows of yet.
    me = threading.get_ident()
    STARTING.add(me)
    try:
        process = subprocess.Popen(argv, **kwargs)
        LIVE.add(process)
    finally:
        STARTING.discard(me)
    try:
        if STOPPED.is_set():
            raise KeyboardInterrupt(*REASON)
        yield process
    finally:
        LIVE.discard(process)
        if process.poll() is None:
            # make wants to remove what is half done, and QEMU to restore the terminal.
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def captured(argv, **kwargs):
    """Run a command; return (exit status, stdout and stderr together)."""
    with child(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
               text=True, errors='replace', **kwargs) as process:
        output = process.communicate()[0]
    return process.returncode, output


def script(main):
    """Run main() and end with what it returns; Ctrl-C and a full disk are no bugs of ours."""
    def stop(number, _):
        # Only once: what cleans up must not be interrupted.
        REASON.append(number)
        STOPPED.set()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in list(LIVE):
            process.terminate()
        if threading.main_thread().ident not in STARTING:
            raise KeyboardInterrupt(number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt as interrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(128 + (interrupt.args[0] if interrupt.args else signal.SIGINT))
    except BrokenPipeError:
        # Who reads our output has gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        die(f'{error.filename}: {error.strerror}' if error.filename else str(error))


class Step:
    """Say what takes long and how long it took; stderr, so that output stays usable.

    A silent one is for what goes on beside something else: it speaks after a minute.
    """

    def __init__(self, what, silent=False):
        self.what, self.silent = what, silent

    def __enter__(self):
        self.start = time.monotonic()
        self.done = threading.Event()
        if not self.silent:
            print(f'{self.what} ...', file=sys.stderr, flush=True)
        threading.Thread(target=self.beat, daemon=True).start()
        return self

    def beat(self):
        while not self.done.wait(60):
            print(f'  still at {self.what} after {time.monotonic() - self.start:.0f} s',
                  file=sys.stderr, flush=True)

    def __exit__(self, kind, *_):
        self.done.set()
        self.took = time.monotonic() - self.start
        if kind is None and not self.silent:
            print(f'  {self.took:.0f} s', file=sys.stderr, flush=True)


def logged(argv, log, what, **kwargs):
    """Run a command with its output in a log; show the log's end if it fails."""
    os.makedirs(LOGS, exist_ok=True)
    path = os.path.join(LOGS, log)
    with open(path, 'wb') as out, child(argv, stdout=out, stderr=subprocess.STDOUT,
                                        **kwargs) as process:
        rc = process.wait()
    if rc and STOPPED.is_set():
        # Somebody else was interrupted, and this one was stopped.
        sys.exit(1)
    if rc:
        with open(path, errors='replace') as log_file:
            lines = log_file.read().splitlines()
        # What else was being made comes after the error.
        first = [line for line in lines if re.search(r'\berror\b|^E: ', line, re.I)][:1]
        sys.stderr.write(''.join(f'{line}\n' for line in lines[-30:]))
        die(': '.join([f'{what} failed, see {os.path.relpath(path)}', *first]))
