#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make mutants: break the implementation on purpose; a named test must notice.

	make mutants [ARCH=...] [ONLY='part of a name ...'] [DOCS=1]

A mutant is killed if each test that it names does not pass. It must have come to that
test, though: what does not build or does not boot has been killed by nobody.
"""
import csv
import os
import re
import subprocess
import sys

import build
import check
import check_readers
import check_soak
import conditions
import console
import scenarios
import tree
import vm
from common import (ARCHES, KERNEL, KERNELS, STOPPED, TOP, Step, choose, die, logged, object_folder,
                    script)
from mutant import SELFTESTS, every, module

TABLE = os.path.join(TOP, 'Documentation/security/rare-write-mutants.csv')
COLUMNS = ('mutant', 'what it breaks', 'tests', *ARCHES)

# The test failed; or it did not, but something was on the console that it did not expect.
KILLED = ('killed', 'killed, by console')

# Slow, not broken: that says nothing about the mutant. Nor does what fails for it.
SLOW = re.compile(r'rcu.*detected stall|soft lockup|try timed out')


def compile_it(arch, obj, mutant):
    target = (sorted({f'mm/tests/{module(killer)}.ko' for killer in mutant.killers})
              if mutant.build == 'module' else [ARCHES[arch]['target'], 'modules'])
    logged(build.make_args(arch, 'clang', obj) + target, f'mutant-{mutant.name}-{arch}.log',
           f'building mutant {mutant.name}', env=build.environment())


def judge(killer, boot, case='', hangs=False):
    """What a boot says of the test that is to fail: KILLED, 'SURVIVES' or neither."""
    cases, during = console.results(boot.text), boot.text
    if killer in SELFTESTS:
        seen = [state for name, state in cases.items() if name == f'kselftest.{case}']
    else:
        # The cases of a parameterised test are named after their parameters.
        suite, case = killer.split('.')
        seen = [state for name, state in cases.items()
                if name == killer or name.startswith(case + '.')]
        if f'# Subtest: {suite}' not in boot.text:
            return 'did not come to the test'
        # What went wrong before it was not noticed by it.
        during = boot.text.partition(f'# Subtest: {suite}')[2]
    if hangs and boot.timed_out and not seen:
        return 'killed'
    if 'failed' in seen and not SLOW.search(re.split(r'\bnot ok \d', during)[0]):
        return 'killed'
    if boot.timed_out or boot.status or SLOW.search(boot.text):
        return 'timed out' if boot.timed_out else 'the machine failed'
    # If the guest died of it, the test has no result; and what it expects on the console, and
    # nothing else, is part of it.
    if vm.Run(boot.log, during, boot.steps).problems():
        return 'killed, by console'
    skipped = [state for state in seen if state != 'ok']
    return f'skipped: {skipped[0]}' if skipped else 'SURVIVES' if seen else 'no such test'


def judge_soak(boot):
    """What a soak says of a mutant, likewise. A worker that dies of it never comes to an end."""
    # Its program says so; that it is begun is not on the console, which has errors only by then.
    if 'TAP version 13' not in boot.text:
        return 'did not come to the test'
    if set(check_soak.judge(boot).values()) == {'ok'}:
        return 'SURVIVES'
    # That its results are not complete says no more than that it did not come to an end.
    noticed = [case for case, state in console.results(boot.text).items()
               if state == 'failed' and not case.endswith('.plan')]
    if noticed or [splat for splat in console.splats(boot.text) if not SLOW.search(splat)]:
        return 'killed'
    return 'timed out' if boot.timed_out else 'the machine failed'


def run(arch, obj, mutant, killer):
    """Boot it with @killer alone; return one of KILLED, 'SURVIVES' or what went wrong."""
    if killer.startswith('compile.'):
        state = check_readers.run(arch).get(killer.removeprefix('compile.'))
        return {'ok': 'SURVIVES', None: 'no such test'}.get(state, 'killed')
    if killer == 'symbols.gadgets':
        return 'SURVIVES' if check.gadgets(obj)[killer] == 'ok' else 'killed'
    name = f'mutant-{mutant.name}-{killer.split(".")[-1]}-{arch}'
    steps, modules, timeout = None, [module(killer)], 300
    append = f'kunit.filter_glob={killer} {mutant.append}'
    scenario = f'{arch}-{mutant.scenario}'
    if mutant.scenario:
        append, (steps, _) = scenarios.SCENARIOS[scenario].append, scenarios.plan(scenario)
    elif killer == 'kselftest':
        steps = ['insmod /lib/rare_write_howto.ko ', 'exec /bin/rare_write_test ']
        modules = ['rare_write_howto']
    elif killer == 'core':
        steps, modules = ['exec /bin/rare_write_core '], scenarios.CORE_MODULES
    elif killer == 'starve':
        # Thousands of CPUs that do not come up.
        steps, modules, timeout = ['exec /bin/rare_write_starve 3'], [], 2400
    elif killer == 'starve-module':
        steps = ['exec /bin/rare_write_starve /lib/rare_write_howto.ko']
        modules, timeout = ['rare_write_howto'], 2400
    elif killer == 'unloaded':
        append = 'kunit.filter_glob=none'
        steps, modules = scenarios.unloaded(), scenarios.ATTACK_MODULES
    elif killer == 'soak':
        return judge_soak(check_soak.boot(arch, check_soak.QUICK_S, name, obj, grace=240))
    elif killer == 'boot.line':
        append, steps, modules = 'rodata=off', ['cat /proc/cmdline '], []
    else:
        steps = [f'insmod /lib/{module(killer)}.ko {mutant.params}']
    files = {f'/lib/{m}.ko': build.module(obj, m) for m in modules}
    files.update(check.programs(arch, obj, steps))
    boot = vm.boot(arch, obj, name, steps, files, append=append, cpu=mutant.cpu, timeout=timeout)
    boot.text = console.short_of_memory(boot.text)
    if f'init: step {steps[-1]}' not in boot.text:
        return 'did not come to the test'
    if mutant.scenario:
        cases = check.judge_death(scenario, boot)
        return ('timed out' if boot.timed_out else
                'SURVIVES' if set(cases.values()) == {'ok'} else 'killed')
    if killer == 'boot.line':
        line = scenarios.BOOT_LINE['x86_64-rodata-off']
        return 'SURVIVES' if line in boot.text else 'killed'
    if killer == 'unloaded':
        said = re.search(r"the unloaded module's region was (refused|ACCEPTED)$", boot.text, re.M)
        return ('it said nothing' if not said else 'killed' if said[1] == 'ACCEPTED' else
                'killed, by console' if boot.problems() else 'SURVIVES')
    return judge(killer, boot, mutant.case, mutant.hangs)


def attempt(function):
    """What a mutant came to; the others go on if it came to nothing."""
    try:
        return function()
    except SystemExit as end:
        if STOPPED.is_set():
            raise
        return f'{getattr(end, "why", end)}'


def summary(states):
    """What came of a mutant, from what came of each of its tests."""
    return max(states, key=lambda state: KILLED.index(state) if state in KILLED else len(KILLED))


def write_table(table):
    """Renew the cells of what ran; the others stay if the mutant and the kernel are the same."""
    made = ['made with', '', f'{conditions.linux()}; {"; ".join(conditions.tools())}',
            *('' for _ in ARCHES)]
    old = {tuple(row[:3]): dict(zip(ARCHES, row[3:]))
           for row in conditions.rows_made(TABLE, made)}
    failing = {(arch, killer) for arch, name, killer, state in table
               if name == '-' and state != 'passes'}
    with open(TABLE, 'w', newline='') as file:
        out = csv.writer(file, lineterminator='\n')
        out.writerow(COLUMNS)
        for one in every():
            head = (one.name, one.what, ' '.join(one.killers) + (one.case and f': {one.case}'))
            cells = dict.fromkeys(ARCHES, 'not run yet') | old.get(head, {})
            for arch in ARCHES:
                states = [state for where, name, _, state in table if (where, name) ==
                          (arch, one.name)]
                if arch not in one.arches:
                    cells[arch] = 'not for it'
                elif states:
                    cells[arch] = ('the test fails without it' if any(
                        (arch, killer) in failing for killer in one.killers) else
                        summary(states))
            out.writerow([*head, *cells.values()])
        out.writerow(made)


def main():
    if os.environ.get('DOCS') and KERNEL != KERNELS[0]:
        die(f'DOCS=1 is for {KERNELS[0]}')
    arch = os.environ.get('ARCH')
    arches = [choose('ARCH', arch, ARCHES)] if arch else list(ARCHES)
    only = os.environ.get('ONLY') or ''
    mutants = [mutant for mutant in every() if set(arches) & set(mutant.arches) and
               any(part in mutant.name for part in only.split() or [''])]
    if not mutants:
        die(f'ONLY={only} fits no mutant')
    # What is built in full goes last: the others are inlined into a healthy kernel.
    mutants.sort(key=lambda m: (m.build == 'kernel', m.name))
    table = []
    for arch, config in ((a, c) for a in arches for c in dict.fromkeys(m.config for m in mutants)):
        these = [m for m in mutants if arch in m.arches and m.config == config]
        if not these:
            continue
        healthy = build.kernel(arch, config)
        obj = object_folder(arch, 'mutant')
        with Step(f'copying the objects for {arch}'):
            subprocess.check_call(['rsync', '-a', '--delete', healthy + '/', obj + '/'])
        # The original must pass each of these tests, or their failing says nothing.
        originals = {(killer, m.case, m.scenario, m.cpu, m.append, m.params): m
                     for m in these for killer in m.killers}
        with Step(f'{arch}: the original'):
            for (killer, *_), mutant in originals.items():
                state = attempt(lambda killer=killer, mutant=mutant:
                                run(arch, obj, mutant, killer))
                table.append((arch, '-', killer,
                              'passes' if state == 'SURVIVES' else f'FAILS: {state}'))
        for mutant in these:
            with Step(f'{arch}: {mutant.name}'):
                try:
                    mutant.apply()
                    unbuilt = attempt(lambda mutant=mutant: compile_it(arch, obj, mutant))
                    for killer in mutant.killers:
                        state = unbuilt or attempt(lambda killer=killer, mutant=mutant:
                                                   run(arch, obj, mutant, killer))
                        table.append((arch, mutant.name, killer, state))
                finally:
                    tree.apply()
            # All of them take hours: what is known is kept, whatever becomes of the rest.
            if os.environ.get('DOCS'):
                write_table(table)
    print()
    for arch, name, killer, state in table:
        print(f'{arch:7} {name:28} {killer:42} {state}')
    bad = sum(state not in (*KILLED, 'passes') for *_, state in table)
    print(f'{len(table) - bad} passed, {bad} failed, 0 skipped')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    script(main)
