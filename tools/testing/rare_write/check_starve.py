# SPDX-License-Identifier: GPL-2.0-only
"""No memory for the boot CPU's page tables, as early as no fault injection reaches.

The debugger has arch_rare_write_prepare() return -ENOMEM to the boot CPU. That must
be the end: the region is about to be sealed, and nobody could write it.
"""
import re

import gdbstub
import vm
from common import MAIN, object_folder

SAYS = "rare_write: no memory for CPU 0's page tables\n"
ENOMEM = (-12) & (2**64 - 1)
PANIC = r'Kernel panic - not syncing: rare_write: no memory for the boot CPU\'s page tables\n'


class Starver(gdbstub.Debugger):
    """Fails the first call."""

    def __init__(self, arch, obj):
        super().__init__(arch, obj, 'arch_rare_write_prepare')
        self.starved = False

    def follow(self, stub):
        stub.stop_at(self.function, True)
        stub.go('c')
        stub.stop_at(self.function, False)
        stub.return_with(ENOMEM)
        self.starved = True
        stub.go('c')


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
    return {'starved': 'ok' if starver.starved else f'failed: {starver.error or "nobody called it"}',
            'panic': 'ok' if after else 'failed: it went on',
            'nothing-before': 'ok' if 'rare_write: ' not in before.replace(SAYS, '', 1) else 'failed',
            'nothing-after': 'ok' if after and 'rare_write: ' not in after[0] and not boot.steps
                             else 'failed: it went on'}
