#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make check: boot every scenario, judge it, count."""
import fnmatch
import os
import re
import subprocess
import sys

import build
import check_compile
import console
import test_console
import vm
from common import ARCHES, BUILD, SRC, Step, choose
from scenarios import ALIAS, BOOT_LINE, CASES, ICOUNT, SCENARIOS, SKIPS, plan


def lkdtm_is_expected(text):
    """LKDTM's own oopses carry no marks: cut them out, and say what they showed.

    Each must be a write fault in lkdtm at the address that it announced.
    """
    cases = {}
    for name in ('WRITE_RARE_WRITE', 'RARE_WRITE'):
        start = text.find(f'lkdtm: Performing direct entry {name}\n')
        end = text.find('---[ end trace', start)
        part = text[start:end] if 0 <= start < end else ''
        address = re.search(r'attempting bad write-rare write at ([0-9a-f]+)', part)
        fault = re.search(r'(?:for address: |at virtual address )([0-9a-f]+)', part)
        write = re.search(r'supervisor write access|ESR = 0x[0-9a-f]*96[0-9a-f]*4[0-9a-f]\b|WnR = 1',
                          part)
        arrived = name != 'RARE_WRITE' or 'good write-rare write arrived' in part
        good = (address and fault and address[1] == fault[1] and write and arrived and
                'FAIL' not in part)
        cases[f'lkdtm.{name}'] = 'ok' if good else 'failed'
        if part:
            stop = text.find('\n', end)
            # What the machine prints after the trace belongs to the oops as well.
            tail = text.find('init: ', stop)
            text = text[:start] + text[tail if tail > 0 else stop:]
    return text, cases


def gadgets(obj):
    """No function that opens a window or writes through one may exist on its own."""
    inlined = re.compile(r' [tTwW] (rare_write_(begin|end)|__rare_\w+|__arch_rare_write_\w+|'
                         r'class_rare_write_\w+)$', re.M)
    files = [os.path.join(obj, 'vmlinux')] + [
        build.module(obj, m) for m in ('rare_write_kunit', 'rare_write_howto', 'lkdtm')]
    names = [subprocess.check_output(['llvm-nm-19', file], text=True) for file in files]
    if not all(' T ' in n or ' t ' in n for n in names):
        return {'symbols.gadgets': 'failed: no symbols to look at'}
    found = sorted({m[1] for n in names for m in inlined.finditer(n)})
    return {'symbols.gadgets': f'failed: {" ".join(found)}' if found else 'ok'}


def judge(name, run):
    """All cases of one scenario: {case: 'ok', 'failed...' or 'skipped: ...'}."""
    config = SCENARIOS[name][1]
    cases = {}
    if any(step.startswith('ok kills') for step in run.steps):
        run.text, cases = lkdtm_is_expected(run.text)
    elif 'lkdtm: FAIL' in run.text:
        cases['lkdtm.unprotected'] = 'ok'

    for step in run.steps[:-1]:
        how, what = step.split(' ', 1)
        cases[f'step.{what.strip()}'] = 'ok' if how == 'ok' else f'failed: {how}'
    problems = run.problems()
    cases['console.clean'] = 'failed: ' + '; '.join(problems[:5]) if problems else 'ok'

    line = BOOT_LINE.get(name, BOOT_LINE[config])
    right = line in run.text if line else '] rare_write: ' not in run.text
    cases['boot.line'] = 'ok' if right else 'failed'
    if 'rare_write_demo' in ' '.join(run.steps):
        cases['demo.story'] = ('ok' if run.text.count('rare_write_demo: demo finished: ok') == 2 and
                               'rare_write_demo:    FAILED' not in run.text else 'failed')
    if name in ALIAS:
        cases['boot.paging-levels'] = 'ok' if f'the alias        {ALIAS[name]}' in run.text else 'failed'

    for case, state in console.results(run.text).items():
        if state not in ('ok', 'failed'):
            reasons = [reason for (where, what), reason in SKIPS.items()
                       if fnmatch.fnmatch(name, where) and fnmatch.fnmatch(case, what)]
            state = f'skipped: {state}' if state in reasons else f'failed: unexpected skip: {state}'
        cases[case] = state
    suites = CASES.get(name, CASES[config])
    for where, what in SKIPS:
        if not fnmatch.fnmatch(name, where) or what.split('.')[0] not in suites:
            continue
        if not any(fnmatch.fnmatch(case, what) and state.startswith('skipped')
                   for case, state in cases.items()):
            cases[f'skip.{what}'] = 'failed: an expected skip did not happen'
    for suite, count in suites.items():
        ran = sum(case.startswith(suite + '.') for case in cases)
        if ran != count:
            cases[f'{suite}.count'] = f'failed: {ran} cases ran, {count} are expected'
    return cases


def main():
    arch = os.environ.get('ARCH')
    arches = [choose('ARCH', arch, ARCHES)] if arch else list(ARCHES)
    only = os.environ.get('ONLY')
    passed, failed, skipped = 0, 0, 0
    tables = {'harness': test_console.run()}
    for name in () if only else arches:
        obj = build.kernel(name)
        with Step(f'compiling for {name} what must not compile'):
            tables[f'compile-{name}'] = check_compile.run(name, obj)
    for name, (arch, config, cpu, append) in SCENARIOS.items():
        if arch not in arches or (only and not fnmatch.fnmatch(name, only)):
            continue
        obj = build.kernel(arch, config)
        steps, modules = plan(arch, config, name)
        files = {f'/lib/{m}.ko': build.module(obj, m) for m in modules if build.module(obj, m)}
        files['/bin/rare_write_test'] = build.program(
            arch, os.path.join(SRC, 'tools/testing/selftests/rare_write/rare_write_test.c'))
        with Step(f'testing {name}'):
            counted = name.startswith('icount-')
            run = vm.boot(arch, obj, name, steps, files, cpu=cpu, append=append,
                          smp=ICOUNT['smp'] if counted else 4,
                          extra=ICOUNT['qemu'] if counted else ())
        tables[name] = judge(name, run)
        tables[name].update(gadgets(obj))

    ktap = ['KTAP version 1', f'1..{len(tables)}']
    for number, (name, cases) in enumerate(tables.items(), 1):
        for case, state in cases.items():
            if state.startswith('failed'):
                print(f'  not ok: {name}: {case}: {state}')
        ktap += ['    KTAP version 1', f'    # Subtest: {name}', f'    1..{len(cases)}']
        bad = 0
        for i, (case, state) in enumerate(cases.items(), 1):
            if state.startswith('failed'):
                bad += 1
            elif state.startswith('skipped'):
                skipped += 1
            else:
                passed += 1
            note = f' # SKIP {state[9:]}' if state.startswith('skipped') else ''
            ktap.append(f'    {"not ok" if state.startswith("failed") else "ok"} {i} {case}{note}')
        failed += bad
        ktap.append(f'{"not ok" if bad else "ok"} {number} {name}')
        print(f'{"not ok" if bad else "ok":7} {name:24} {len(cases)} cases')
    results = os.path.join(BUILD, 'results', 'check.ktap')
    os.makedirs(os.path.dirname(results), exist_ok=True)
    with open(results, 'w') as file:
        file.write('\n'.join(ktap) + '\n')
    print(f'KTAP and consoles: {os.path.relpath(os.path.dirname(results))}')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
