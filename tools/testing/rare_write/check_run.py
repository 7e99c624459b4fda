# SPDX-License-Identifier: GPL-2.0-only
"""make run and make shell as a user has them, on the real kernel."""
import contextlib
import fcntl
import glob
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import build
from common import BUILD, HERE, MAIN, TOP, captured, child, object_folder

BOOT_S = 120
SCRIPT = '''uname -m
for t in proc sysfs devtmpfs debugfs tracefs; do mount | grep -q " type $t " && echo "has $t"; done
insmod /lib/rare_write_howto.ko && cat /sys/module/rare_write_howto/parameters/state
rmmod rare_write_howto
'''


def command(script):
    return [sys.executable, os.path.join(HERE, script)]


def environment(arch, **kwargs):
    """As make has it, without what make check was asked for."""
    env = {k: v for k, v in os.environ.items() if k not in (
        'MODULE', 'APPEND', 'CPU', 'SMP', 'ACCEL', 'ONLY', 'CONFIG', 'TOOLCHAIN')}
    return {**env, 'ARCH': arch, 'CONFIG': MAIN, **kwargs}


def make_run(arch, **kwargs):
    """Return (exit status, output)."""
    return captured(command('vm.py'), cwd=TOP, env=environment(arch, **kwargs))


def unattended(arch, script):
    """make shell with a script on its standard input; return (exit status, output)."""
    with child(command('shell.py'), cwd=TOP, env=environment(arch), stdin=subprocess.PIPE,
               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        output = process.communicate(script, timeout=2 * BOOT_S)[0]
    return process.returncode, output


class Terminal:
    """Somebody at a terminal of 33 lines and 77 columns."""

    def __init__(self, argv, env):
        self.fd, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 77, 0, 0))
        # A failed test leaves nothing behind: child() ends it.
        self.child = child(argv, cwd=TOP, env=env, stdin=there, stdout=there, stderr=there,
                           start_new_session=True)
        self.process = self.child.__enter__()
        os.close(there)
        self.text = ''

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.child.__exit__(*error)
        os.close(self.fd)

    def expect(self, pattern, seconds=BOOT_S):
        """Read until pattern comes; what came before is forgotten."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := re.search(pattern, self.text):
                self.text = self.text[found.end():]
                return True
            if select.select([self.fd], [], [], 0.5)[0]:
                with contextlib.suppress(OSError):
                    if more := os.read(self.fd, 4096):
                        self.text += more.decode(errors='replace')
                        continue
                return False
        return False

    def say(self, text):
        os.write(self.fd, text.encode())

    def status(self, seconds=20):
        """Read all that comes, and tell how it ended."""
        self.expect(r'\Z(?!\Z)', seconds)
        try:
            return self.process.wait(1)
        except subprocess.TimeoutExpired:
            return None


def attended(arch):
    """{case: 'ok' or 'failed'} of an interactive make shell."""
    tty = {'x86_64': 'ttyS0', 'arm64': 'ttyAMA0'}[arch]
    cases = {}
    with Terminal(command('shell.py'), environment(arch)) as user:
        cases['shell.hints'] = user.expect('try: insmod')
        cases['shell.prompt'] = user.expect('# ')
        for name, text, pattern in (('console', 'tty', f'/dev/{tty}\\s'), ('size', 'stty size', '33 77'),
                                    ('ctrl-c', 'echo $((6 * 7)) before; sleep 600', '42 before')):
            user.say(f'{text}\n')
            cases[f'shell.{name}'] = user.expect(pattern)
        # The shell itself takes no notice of it, and nobody can tell whether sleep runs yet.
        for _ in range(5):
            time.sleep(1)
            user.say('\x03')
            if user.expect('# ', 5):
                break
        user.say('echo $((6 * 7)) again\n')
        cases['shell.ctrl-c'] = user.expect('42 again', 20)
        user.say('\x01x')
        cases['shell.ctrl-a-x'] = user.status() == 0
    return {name: 'ok' if good else 'failed' for name, good in cases.items()}


def machines(word):
    """The QEMUs whose command line has this word."""
    found = []
    for path in glob.glob('/proc/[0-9]*/cmdline'):
        with contextlib.suppress(OSError), open(path, 'rb') as file:
            argv = file.read().split(b'\0')
            if b'qemu-system' in argv[0] and word.encode() in argv:
                found.append(path)
    return found


def ctrl_c(arch, module):
    """Interrupt make run when its machine is up: it ends, and the machine with it."""
    initrd = os.path.join(BUILD, 'results', f'{arch}-run.cpio')
    with child(command('vm.py'), cwd=TOP, env=environment(arch, MODULE=module),
               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(400):
            if machines(initrd) or process.poll() is not None:
                break
            time.sleep(0.05)
        up = bool(machines(initrd))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    return (up and process.returncode == 130 and said.strip().endswith('interrupted') and
            'Traceback' not in said and not machines(initrd))


def broken_module(arch):
    """A file that looks like a module for this kernel, and is none."""
    path = os.path.join(BUILD, f'{arch}-programs', 'broken.ko')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.path.join(object_folder(arch, MAIN), 'include/generated/utsrelease.h')) as file:
        release = re.search(r'"(.*)"', file.read())[1]
    source = path[:-2] + 'c'
    with open(source, 'w') as file:
        file.write('__attribute__((section(".modinfo"), used)) static const char magic[] = '
                   f'"vermagic={release} none ";\n')
    captured(['clang-19', f'--target={build.ARCHES[arch]["triple"]}', '-c', source, '-o', path])
    return path


def one_error(result, why):
    """One clear line, an exit status, no traceback."""
    status, said = result
    errors = re.findall(r'^error: .*', said, re.M)
    good = status == 1 and len(errors) == 1 and re.search(why, errors[0]) and 'Traceback' not in said
    return 'ok' if good else f'failed: {said[-300:]}'


def run(arch):
    """Return {case: 'ok' or 'failed...'}."""
    howto = build.module(object_folder(arch, MAIN), 'rare_write_howto')
    cases = {'run.cpu': one_error(make_run(arch, MODULE=howto, CPU='nonsense'),
                                  "QEMU failed: .*'nonsense'"),
             'run.module-fails': one_error(make_run(arch, MODULE=broken_module(arch)),
                                           'failed insmod /lib/broken.ko')}
    status, said = make_run(arch, MODULE=howto, SMP='2')
    good = status == 0 and 'init: ok insmod' in said and 'error: ' not in said
    cases['run.module'] = 'ok' if good else f'failed: {said[-300:]}'
    cases['run.ctrl-c'] = 'ok' if ctrl_c(arch, howto) else 'failed'

    status, said = unattended(arch, SCRIPT + 'poweroff -f\n')
    good = (status == 0 and len(re.findall(r'^has \w+$', said, re.M)) == 5 and
            re.search({'x86_64': '^x86_64$', 'arm64': '^aarch64$'}[arch], said, re.M) and
            re.search(r'^try: .*\n {5}\S', said, re.M))
    cases['shell.script'] = 'ok' if good else f'failed: {said[-300:]}'
    cases['shell.script-fails'] = one_error(unattended(arch, 'exit 3\n'), 'failed shell')
    cases.update(attended(arch))
    return cases
