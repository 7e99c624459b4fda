# SPDX-License-Identifier: GPL-2.0-only
"""Everything at once for a while: the module and the program rare_write_soak."""
import os
import re

import build
import console
import vm
from common import MAIN, SRC, object_folder

CPU, SMP = 'max', 4
# For arm64, where a window masks all other NMIs. No BUG() is provoked, so that is no problem.
APPEND = {'x86_64': '', 'arm64': 'irqchip.gicv3_pseudo_nmi=1'}
CASES = 9
QUICK_S = 20


def boot(arch, seconds, name, obj=None, grace=900, **kwargs):
    """Boot a soak of so many seconds, which has @grace more to come to an end; return a Run."""
    obj = obj or object_folder(arch, MAIN)
    program = os.path.join(SRC, 'tools/testing/selftests/rare_write/rare_write_soak.c')
    files = {f'/lib/{module}.ko': build.module(obj, module)
             for module in ('rare_write_soak', 'rare_write_howto')}
    files['/bin/rare_write_soak'] = build.program(arch, obj, program)
    # Each CPU that goes or comes is worth a few lines, which are slow to write.
    plan = ['insmod /lib/rare_write_soak.ko ', 'write /proc/sys/kernel/printk 5',
            f'exec /bin/rare_write_soak {seconds}', 'rmmod rare_write_soak ']
    return vm.boot(arch, obj, name, plan, files, cpu=CPU, smp=SMP, append=APPEND[arch],
                   timeout=seconds * 1.5 + grace, **kwargs)


def judge(run):
    """Return {case: 'ok' or 'failed...'}."""
    problems = run.problems()
    cases = console.results(run.text)
    # All of it happens on both machines: nothing may be skipped.
    cases = {case: state if state in ('ok', 'failed') else f'failed: skipped: {state}'
             for case, state in cases.items()}
    if len(cases) != CASES:
        cases['count'] = f'failed: {len(cases)} cases ran, {CASES} are expected'
    cases['console.clean'] = 'failed: ' + '; '.join(problems[:5]) if problems else 'ok'
    return cases


def numbers(run):
    """What the program counted: {what: how often it went well}."""
    return {what: int(count) for what, count in
            re.findall(console.STAMP + r'# ([\w ]+): (\d+)(?: of \d+)?$', run.text, re.M)}


def run(arch):
    return judge(boot(arch, QUICK_S, f'soak-{arch}'))
