# SPDX-License-Identifier: GPL-2.0-only
"""The table of conditions: what each suite did on each machine, for the documentation."""
import csv
import hashlib
import os
import re

import bochs
import newer_qemu
import tree
from common import KERNEL, KERNELS, SRC, TOP, first_line
from scenarios import CASES, SCENARIOS, expected

TABLE = os.path.join(TOP, 'Documentation/security/rare-write-conditions.csv')

# What the columns of the table are: title, and which cases count.
COLUMNS = (
    ('interface', r'(second-kernel\.)?rare_write\.'),
    ('misuse', r'(second-kernel\.)?(misuse_is_fatal|rare_write_misuse)\.'),
    ('protection', r'(second-kernel\.)?(rare_write_protect|stray_write)\.'),
    ('lists', r'(rare_list|list_misuse_is_fatal|rare_list_misuse)\.'),
    ('sysctls', r'(rare_sysctl|like_the_original|sysctl_misuse_is_fatal)\.'),
    ('attacks', r'(rare_write_attack|direct_by_helper|deputy)\.'),
    ('kselftest', r'kselftest\.'),
    ('LKDTM', r'lkdtm\.'),
    ('console, steps, the rest', ''),
)


def cell(cases):
    """What a suite did: how many passed, and why others were skipped."""
    states = list(cases.values())
    failed = sum(state.startswith('failed') for state in states)
    skipped = {state[9:] for state in states if state.startswith('skipped')}
    text = [f'{states.count("ok")} passed'] if 'ok' in states else []
    text += [f'{failed} FAILED'] if failed else []
    text += [f'{sum(s.startswith("skipped") for s in states)} skipped: {"; ".join(sorted(skipped))}'
             ] if skipped else []
    return ', '.join(text)


def kept(old, name, pattern):
    """A cell of the old line, unless there are more cases by now: then the suite is another."""
    if name not in SCENARIOS or not pattern:
        return old
    now = sum(count for suite, count in expected(CASES, name).items()
              if re.match(pattern, f'{suite}.'))
    counted = sum(int(n) for n in re.findall(r'(\d+) (?:passed|FAILED|skipped)', old))
    return 'not run yet' if counted < now else old


def machine(what, ran):
    """What a scenario runs on; which QEMU, if it is not that of the others."""
    qemu = (f'QEMU {newer_qemu.LEAST} or later' if not (what.machine and ran) else
            first_line(newer_qemu.aarch64(), '--version'))
    return ', '.join(filter(None, (what.cpu, f'{what.smp} CPUs',
                                   what.machine and f'{what.machine} in {qemu}', what.append)))


def row(name, results, old):
    """A line of the table: from what ran now, else from the old line. No cell is empty.

    The attacks on a machine are a boot of their own, but no condition of their own: of what
    else is checked there it has the failures.
    """
    what, attack = SCENARIOS[name], f'{name}-attack'
    unbuilt = f'kernel-{what.arch}-{what.config}-{what.toolchain}' in results
    cases, cells = dict(results.get(name, {})), []
    for i, (title, pattern) in enumerate(COLUMNS):
        if title == 'attacks' and attack in SCENARIOS:
            boot, mine = attack, {case: state for case, state in results.get(attack, {}).items()
                                  if re.match(pattern, case) or state != 'ok'}
        else:
            boot = name
            mine = {case: cases.pop(case) for case in list(cases) if re.match(pattern, case)}
        cells.append(cell(mine) or ('not part of it' if boot in results else
                                    'does not build' if unbuilt else
                                    kept(old[i + 1], boot, pattern) if old else 'not run yet'))
    where = old[0] if old and name not in results else machine(what, name in results)
    return [name, f'{what.config}, {what.toolchain}', where, *cells]


def tools():
    """What compiled the kernels, and what ran them, with the exception of newer_qemu."""
    programs = ('clang-19', 'gcc', 'aarch64-linux-gnu-gcc', 'qemu-system-x86_64',
                'qemu-system-aarch64')
    return *dict.fromkeys(first_line(program, '--version') for program in programs), bochs.version()


# What of ours does not become part of a kernel, or only of its tests: if that is changed, a table
# still tells what it did.
BESIDE = ('Documentation/', 'MAINTAINERS', 'mm/tests/', 'samples/', 'scripts/', 'tools/')


def ours():
    """A name for the state of what is put into the kernel."""
    patches = [patch for patch in tree.series()
               if not all(path.startswith(BESIDE) for path in tree.touched(patch))]
    digest = hashlib.sha256()
    for path in [p for p in tree.overlay_files() if not p.startswith(BESIDE)] + patches:
        with open(os.path.join(TOP, path), 'rb') as file:
            digest.update(f'{path}\n'.encode() + file.read())
    return digest.hexdigest()[:12]


def linux():
    """The kernel's version, and which state of it."""
    return f'Linux {tree.look(SRC)[0]} with {ours()}'


def rows_made(path, made):
    """The rows of a table, but its head; none if the kernel or the tools were others than @made."""
    if not os.path.isfile(path):
        return []
    with open(path, newline='') as file:
        _, *rows = csv.reader(file)
    return rows if made in rows else []


def write_table(results):
    """Renew the cells of what ran; the others stay if the kernel and the tools are the same."""
    if KERNEL != KERNELS[0]:
        return
    made = ['made with', linux(), '; '.join(tools()), *('' for _ in COLUMNS)]
    old = {cells[0]: cells[2:] for cells in rows_made(TABLE, made)}
    with open(TABLE, 'w', newline='') as file:
        out = csv.writer(file, lineterminator='\n')
        out.writerow(['condition', 'kernel', 'machine', *(title for title, _ in COLUMNS)])
        out.writerows(row(name, results, old.get(name)) for name in SCENARIOS
                      if not name.endswith('-attack'))
        out.writerow(made)
