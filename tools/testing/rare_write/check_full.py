#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make check-full: make check under every condition, and a table of what came of it.

It takes hours. What passed is not done again unless what it depends on changed:
interrupt it and start it again as you like.
"""
import csv
import functools
import hashlib
import json
import os
import re
import subprocess
import sys

import build
import check
import scenarios
from common import BUILD, HERE, SRC, TOP, object_folder, script, write_whole
from scenarios import SCENARIOS

FOLDER = os.path.join(BUILD, 'results', 'full')
TABLE = os.path.join(TOP, 'Documentation/security/rare-write-conditions.csv')

# What boots a scenario and says what came of it.
JUDGES = ('init.c', 'build.py', 'vm.py', 'bochs.py', 'console.py', 'check.py')

# What the columns of the table are: title, and which cases count.
COLUMNS = (
    ('interface', r'(second-kernel\.)?rare_write\.'),
    ('misuse', r'(second-kernel\.)?(misuse_is_fatal|rare_write_misuse)\.'),
    ('protection', r'(second-kernel\.)?rare_write_protect\.'),
    ('attacks', r'(rare_write_attack|direct_by_helper|deputy)\.'),
    ('kselftest', r'kselftest\.'),
    ('LKDTM', r'lkdtm\.'),
    ('console, steps, the rest', ''),
)


def first_line(*argv):
    return subprocess.check_output(argv, text=True).splitlines()[0]


def identity(name, needs):
    """Of all that the cases of a scenario depend on; None if its kernel is not built."""
    obj = object_folder(*needs)
    if not build.is_current(obj, '.built'):
        return None
    digest = hashlib.sha256(build.fingerprint(obj).encode())
    digest.update(repr((scenarios.expectations(name), check.planned_steps(name))).encode())
    for path in JUDGES:
        with open(os.path.join(HERE, path), 'rb') as file:
            digest.update(file.read())
    digest.update(first_line('qemu-system-x86_64', '--version').encode())
    return digest.hexdigest()


def remembered(name, needs):
    """The cases of a scenario that passed before and would do so again, or None.

    The other tables depend on more than could be named here, and take minutes: they run.
    """
    if name not in SCENARIOS:
        return None
    try:
        with open(os.path.join(FOLDER, f'{name}.json')) as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return None
    return kept['cases'] if kept['identity'] == identity(name, needs) else None


def keep(name, needs, function):
    """Run a table; remember a scenario in which nothing failed."""
    cases = function()
    if name in SCENARIOS and not any(state.startswith('failed') for state in cases.values()):
        write_whole(os.path.join(FOLDER, f'{name}.json'),
                    json.dumps({'identity': identity(name, needs), 'cases': cases}, indent=1))
    return cases


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


def row(name, cases):
    """A line of the table. A suite that has no case here has a reason."""
    what, cells, rest = SCENARIOS[name], [], dict(cases)
    for _, pattern in COLUMNS:
        mine = {case: rest.pop(case) for case in list(rest) if re.match(pattern, case)}
        cells.append(cell(mine) or 'not in this kernel')
    machine = ', '.join(filter(None, (
        f'{what.cpu}', f'{what.smp} CPUs', what.machine, what.append)))
    return [name, f'{what.config}, {what.toolchain}', machine, *cells]


def write_table(results):
    """The table for the documentation, with what it was made with."""
    with open(os.path.join(SRC, 'Makefile')) as file:
        version = '.'.join(re.findall(r'^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)', file.read(), re.M))
    with open(TABLE, 'w', newline='') as file:
        out = csv.writer(file, lineterminator='\n')
        out.writerow(['condition', 'kernel', 'machine', *(title for title, _ in COLUMNS)])
        # The attacks on a machine are a boot of their own, but no condition of their own.
        out.writerows(row(name, {**results[name], **results.get(f'{name}-attack', {})})
                      for name in SCENARIOS if name in results and not name.endswith('-attack'))
        out.writerow(['made with', f'Linux {version}',
                      '; '.join((first_line('clang-19', '--version'),
                                 first_line('qemu-system-x86_64', '--version'))),
                      *('' for _ in COLUMNS)])


def main():
    todo = check.asked(full=True)
    os.makedirs(FOLDER, exist_ok=True)
    results = {name: cases for name, needs, _ in todo if (cases := remembered(name, needs))}
    print(f'{len(results)} of {len(todo)} are known to pass')
    results.update(check.perform([(name, needs, functools.partial(keep, name, needs, function))
                                  for name, needs, function in todo if name not in results]))
    if not os.environ.get('ARCH') and not os.environ.get('ONLY'):
        write_table(results)
    check.conclude(results)


if __name__ == '__main__':
    script(main)
