# SPDX-License-Identifier: GPL-2.0-only
"""No memory for the boot CPU's page tables, as early as no fault injection reaches.

The debugger has arch_rare_write_prepare() return -ENOMEM to the boot CPU. That must
be the end: the region is about to be sealed, and nobody could write it.
"""
import re
import tempfile
import threading

import gdbstub
import vm
from common import MAIN, object_folder

ENOMEM = (-12) & (2**64 - 1)
PANIC = r'Kernel panic - not syncing: rare_write: no memory for the boot CPU\'s page tables\n'


class Starver(threading.Thread):
    """Fails the first call while vm.boot() waits for the guest."""

    def __init__(self, arch, obj):
        super().__init__(daemon=True)
        self.arch, self.error = arch, 'nobody called it'
        self.function = gdbstub.symbol(obj, 'arch_rare_write_prepare')
        self.folder = tempfile.TemporaryDirectory()
        self.path, self.options = gdbstub.port(self.folder.name)

    def run(self):
        try:
            stub = gdbstub.connect(self.path, self.arch)
            stub.stop_at(self.function, True)
            stub.go('c')
            stub.stop_at(self.function, False)
            stub.return_with(ENOMEM)
            self.error = None
            stub.go('c')
        except gdbstub.Gone:
            pass
        except OSError as error:
            self.error = self.error and f'{type(error).__name__}: {error}'


def run(arch):
    """Return {case: 'ok' or 'failed...'}."""
    obj = object_folder(arch, MAIN)
    starver = Starver(arch, obj)
    starver.start()
    # On arm64 it is before there is a console.
    boot = vm.boot(arch, obj, f'starve-{arch}', [], {}, smp=2, timeout=120,
                   append='nokaslr earlycon' if arch == 'arm64' else 'nokaslr',
                   extra=starver.options)
    starver.join(10)
    before, *after = re.split(PANIC, boot.text)
    return {'starved': f'failed: {starver.error}' if starver.error else 'ok',
            'panic': 'ok' if after else 'failed: it went on',
            'nothing-before': 'ok' if 'rare_write: ' not in before else 'failed',
            'nothing-after': 'ok' if after and 'rare_write: ' not in after[0] and not boot.steps
                             else 'failed: it went on'}
