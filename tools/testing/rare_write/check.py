#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make check: boot every scenario, judge it, count."""
import concurrent.futures
import contextlib
import fnmatch
import functools
import glob
import os
import re
import subprocess
import sys
import traceback

import bochs
import build
import check_compile
import check_configs
import check_cost
import check_kunit
import check_lint
import check_readers
import check_run
import check_soak
import check_starve
import conditions
import console
import exploit
import htmldocs
import model
import newer_qemu
import sysctl
import test_console
import test_harness
import tree
import vm
from common import (ARCHES, BUILD, KERNEL, KERNELS, MAIN, SRC, STOPPED, Step, choose, die,
                    first_line, script)
from scenarios import (ALIAS, AUDITS, BOOT_LINE, CASES, DIES, PROOF, QUICK, SCENARIOS,
                       SECOND_MODULES, SECOND_STEPS, SECOND_SUITES, expected, plan, skips)

KTAP = os.path.join(BUILD, 'results', 'check.ktap')


def lkdtm_is_expected(text):
    """LKDTM's own oopses carry no marks: cut them out, and say what they showed.

    Each must be a write fault in lkdtm at the address that it announced, to the variable
    that the log has named before.
    """
    cases = {}
    for name in ('WRITE_RARE_WRITE', 'RARE_WRITE'):
        # After the end of the trace the kernel repeats the registers.
        found = re.search(rf'lkdtm: Performing direct entry {name}\n(?:(?!lkdtm: Performing).*\n)*?'
                          r'.*---\[ end trace .*\n'
                          r'(?:\[[^]]*\] (?:RIP|Code|RSP|R[A-D]X|RBP|R\d\d|FS|CS|CR2|note): .*\n)*',
                          text)
        part = found[0] if found else ''
        address = re.search(r'attempting bad write-rare write at ([0-9a-f]+)', part)
        fault = re.search(r'(?:for address: |at virtual address )([0-9a-f]+)', part)
        write = re.search(r'supervisor write access|ESR = 0x[0-9a-f]*96[0-9a-f]*4[0-9a-f]\b|WnR = 1',
                          part)
        named = re.search(r'rare_write: refused write to rare\+0x0/\S+ \[lkdtm\] by init\[\d+\] at '
                          r'lkdtm_(WRITE_)?RARE_WRITE\+(?=(?:.*\n)*?.*(?:for|virtual) address)', part)
        arrived = name != 'RARE_WRITE' or 'good write-rare write arrived' in part
        good = (address and fault and named and address[1] == fault[1] and write and arrived and
                'FAIL' not in part and not re.search('|'.join(console.NEVER), part))
        cases[f'lkdtm.{name}'] = 'ok' if good else 'failed'
        text = text.replace(part, '') if part else text
    return text, cases


# Our functions in the kernel that can be called: none writes where its caller says. Two return an
# entry and put it nowhere. What makes a page writable, with rare_write=report alone, is part of
# rare_write_fault(). A kernel for measuring has more, and is for nothing else.
HARMLESS = re.compile(r'rare_write_(lookup|core_entry|active|abort|fault|report|init|prepare_cpu|'
                      r'region_of|look|module_\w+|trace_\w+|debug\w*|audit\w*|bench_\w+)|'
                      r'rare_sysctl_(check_owner|check_data|parse_string|copy_ints)|'
                      r'arch_rare_write_(init|prepare|restore|split|opened|pgd|foreign|may_write|'
                      r'shared_start|private_start|private_end|modules_sealed)')


def gadgets(obj):
    """No function that opens a window or writes through one may exist on its own."""
    inlined = re.compile(r' [tTwW] (rare_write_(?:begin|end)|__rare_\w+|__arch_rare_write_\w+|'
                         r'class_rare_write_\w+|rare_h?list_\w+|set_writable|rare_sysctl_ints|'
                         r'proc_rare_\w+_of)(?:\.\w+)*$', re.M)
    ours = re.compile(r' [tTwW] ((?:arch_)?rare_\w+)(?:\.\w+)*$', re.M)
    files = [os.path.join(obj, 'vmlinux'),
             *glob.glob(os.path.join(obj, '**', '*.ko'), recursive=True)]
    names = [subprocess.check_output(['llvm-nm-19', file], text=True) for file in files]
    if not all(' T ' in n or ' t ' in n for n in names):
        return {'symbols.gadgets': 'failed: no symbols to look at'}
    found = {name for n in names for name in inlined.findall(n)}
    found |= {name for name in ours.findall(names[0]) if not HARMLESS.fullmatch(name)}
    return {'symbols.gadgets': f'failed: {" ".join(sorted(found))}' if found else 'ok'}


def judge_death(name, run):
    """A scenario that ends in a panic: it must, and for the reason given."""
    at, cases = 0, {}
    for pattern in DIES[name]:
        found = re.compile(pattern).search(run.text, at)
        cases[f'console./{pattern}/'] = 'ok' if found else 'failed: not there, or not in order'
        at = found.end() if found else at
    done = any(step.startswith('done ') for step in run.steps)
    cases['console.does-not-survive'] = ('failed: it went on' if done else
                                         'failed: it hung' if run.timed_out else 'ok')
    return cases


def libraries(obj, modules):
    """The modules that there are, as files of the guest."""
    return {f'/lib/{m}.ko': build.module(obj, m) for m in modules if build.module(obj, m)}


def programs(arch, obj, steps):
    """The selftests that the steps execute, as files of the guest."""
    paths = {step.split()[1] for step in steps if step.startswith('exec ')}
    return {path: build.program(arch, obj, os.path.join(
        SRC, 'tools/testing/selftests/rare_write', f'{os.path.basename(path)}.c')) for path in paths}


def ends_as_another(steps):
    """Does the kernel that does these steps end as another one?"""
    return steps[-1].startswith('kexec ')


def planned_steps(name):
    """All the steps that a scenario has to report, those of a second kernel included."""
    steps, _ = plan(name)
    return steps + SECOND_STEPS if ends_as_another(steps) else steps


def judge(name, run):
    """All cases of one scenario: {case: 'ok', 'failed...' or 'skipped: ...'}."""
    if name in DIES:
        return judge_death(name, run)
    cases = {}
    if any(step.startswith('ok kills') for step in run.steps):
        run.text, cases = lkdtm_is_expected(run.text)
    elif 'lkdtm: FAIL' in run.text:
        cases['lkdtm.unprotected'] = 'ok'
    run.text = console.short_of_memory(run.text)

    # What was not reported did not happen, whatever came after it.
    reported = [step.split(' ', 1)[1].strip() for step in run.steps[:-1]]
    planned = [step.strip() for step in planned_steps(name)]
    cases['plan.every-step'] = 'ok' if reported == planned else 'failed: not as planned'
    for step in run.steps[:-1]:
        how, what = step.split(' ', 1)
        # One of several that are the same: that of which failed stays.
        if cases.get(f'step.{what.strip()}', 'ok') == 'ok':
            cases[f'step.{what.strip()}'] = 'ok' if how == 'ok' else f'failed: {how}'
    problems = run.problems()
    cases['console.clean'] = 'failed: ' + '; '.join(problems[:5]) if problems else 'ok'

    kernels = run.text.split('Starting new kernel')
    if 'rodata=off' not in SCENARIOS[name].append:
        # To have said nothing would look like having found nothing.
        for case, line in console.SELF_CHECKS.items():
            cases[case] = 'ok' if all(line in text for text in kernels) else 'failed: it did not look'

    line = expected(BOOT_LINE, name)
    right = line in run.text if line else '] rare_write: ' not in run.text
    cases['boot.line'] = 'ok' if right else 'failed'
    if 'rare_write_demo' in ' '.join(run.steps):
        cases['demo.story'] = ('ok' if run.text.count('rare_write_demo: demo finished: ok') == 2 and
                               'rare_write_demo:    FAILED' not in run.text else 'failed')
    if name in ALIAS:
        cases['boot.paging-levels'] = 'ok' if f'the alias        {ALIAS[name]}' in run.text else 'failed'

    if name in AUDITS:
        said = re.findall(console.STAMP + r'audit: (ok|FAILED): ', run.text, re.M)
        cases['audit.verdicts'] = ('ok' if said == AUDITS[name] else
                                   f'failed: {" ".join(said)}, not {" ".join(AUDITS[name])}')

    for case, pattern in PROOF.get(name, {}).items():
        cases[case] = 'ok' if re.search(pattern, run.text) else f'failed: no {pattern}'

    for where, text in enumerate(kernels):
        for case, state in console.results(text).items():
            if state not in ('ok', 'failed'):
                reasons = [reason for what, these in skips(name).items()
                           if fnmatch.fnmatch(case, what) for reason in these]
                state = (f'skipped: {state}' if state in reasons else
                         f'failed: unexpected skip: {state}')
            cases[f'second-kernel.{case}' if where else case] = state
    suites = dict(expected(CASES, name))
    for what in skips(name):
        if what.split('.')[0] not in suites:
            continue
        if not any(fnmatch.fnmatch(case, what) and state.startswith('skipped')
                   for case, state in cases.items()):
            cases[f'skip.{what}'] = 'failed: an expected skip did not happen'
    if ends_as_another(plan(name)[0]):
        suites.update({f'second-kernel.{suite}': suites[suite] for suite in SECOND_SUITES})
    for suite, count in suites.items():
        ran = sum(case.startswith(suite + '.') for case in cases)
        if ran != count:
            cases[f'{suite}.count'] = f'failed: {ran} cases ran, {count} are expected'
    return cases


def emulator(name):
    """What runs a scenario's machine."""
    what = SCENARIOS[name]
    return newer_qemu.aarch64() if what.machine else vm.QEMU[what.arch]['cmd'][0]


def emulator_version(name):
    """What its machine may differ by, without a change here."""
    return bochs.version() if '-bochs-' in name else first_line(emulator(name), '--version')


def boot(name):
    """Boot a scenario and judge it; return its cases."""
    arch, config, cpu, append, toolchain, smp, machine = SCENARIOS[name]
    obj = build.object_folder(arch, config, toolchain)
    steps, modules = plan(name)
    files = {**libraries(obj, modules), **programs(arch, obj, steps)}
    how = {'cpu': cpu, 'append': append, 'timeout': 2400, 'smp': smp}
    if ends_as_another(steps):
        files['/kernel'] = os.path.join(obj, ARCHES[arch]['image'])
        files['/second'] = vm.pack(arch, obj, f'{name}-second', SECOND_STEPS,
                                   libraries(obj, SECOND_MODULES)) + '.cpio'
    if '-bochs-' in name:
        run = bochs.boot(obj, name, steps, files, **how)
    else:
        run = vm.boot(arch, obj, name, steps, files, **how, program=emulator(name),
                      extra=('-machine', machine) if machine else ())
    return {**judge(name, run), **gadgets(obj)}


def tables(arches, only, full):
    """What there is to do: [(name, the kernels that it needs, function)]."""
    found = [('console', (), test_console.run), ('harness', (), test_harness.run),
             ('lint', (), check_lint.run), ('lint-htmldocs', (), htmldocs.run),
             ('model', (), model.run)]
    for arch in arches:
        main = ((arch, MAIN, 'clang'),)
        # In this order: the second is made from the first.
        both = ((arch, 'hardened', 'clang'), (arch, 'exposed', 'clang'))
        found += [(f'readers-{arch}', main, functools.partial(check_readers.run, arch)),
                  (f'compile-{arch}', main, functools.partial(check_compile.run, arch)),
                  (f'run-{arch}', main, functools.partial(check_run.run, arch)),
                  (f'starve-{arch}', main, functools.partial(check_starve.run, arch)),
                  (f'soak-{arch}', main, functools.partial(check_soak.run, arch)),
                  (f'exploit-{arch}', both, functools.partial(exploit.run, arch)),
                  (f'sysctl-{arch}', both, functools.partial(sysctl.run, arch))]
        if full or f'{arch}-prod' in QUICK:
            found.append((f'cost-{arch}', ((arch, 'bench', 'clang'),),
                          functools.partial(check_cost.run, arch)))
        # All of them take too long for make check; who asks for them has all.
        found.append((f'lint-configs-{arch}', (),
                      functools.partial(check_configs.run, arch, full or bool(only))))
        if full:
            found.append((f'kunit-{arch}', (), functools.partial(check_kunit.run, arch)))
    found += [(name, ((what.arch, what.config, what.toolchain),), functools.partial(boot, name))
              for name, what in (SCENARIOS if full else QUICK).items() if what.arch in arches]
    return [table for table in found if not only or
            any(fnmatch.fnmatch(table[0], pattern) for pattern in only.split())]


def attempt(name, function):
    """The cases of one table; say how it went as soon as it is known."""
    with Step(f'testing {name}', silent=True) as step:
        try:
            cases = function()
        except SystemExit as end:
            cases = {'ends': f'failed: {getattr(end, "why", end)}'}
        except Exception as error:
            # A defect of the harness; the other tables go on.
            traceback.print_exc()
            cases = {'ends': f'failed: {error!r}'}
    if not STOPPED.is_set():
        bad = sum(state.startswith('failed') for state in cases.values())
        # One write each: several of these run at once.
        sys.stdout.write(f'{"not ok" if bad else "ok":7} {name:24} {len(cases):3} cases'
                         f'{f", {bad} failed" if bad else ""}  {step.took:.0f} s\n')
        sys.stdout.flush()
    return cases


def kernel(*which):
    """Build it; return what went wrong or None. The tests of other kernels go on."""
    try:
        build.kernel(*which)
    except SystemExit as end:
        return f'failed: {getattr(end, "why", end)}'
    return None


def perform(todo):
    """Do it all; return {name: cases}.

    A machine keeps little more than one CPU busy, and so do the last steps of a
    build: what can be tested is, beside the building of the next kernel.
    """
    results, begun = {}, {}
    # What an earlier run said is not true of this one.
    with contextlib.suppress(FileNotFoundError):
        os.remove(KTAP)
    with concurrent.futures.ThreadPoolExecutor(min(4, os.cpu_count())) as pool:
        try:
            for needs in dict.fromkeys(needs for _, needs, _ in todo):
                bad = {f'kernel-{"-".join(which)}': {'build': why}
                       for which in needs if (why := kernel(*which))}
                if bad:
                    results.update(bad)
                    continue
                for name, _, function in (table for table in todo if table[1] == needs):
                    begun[name] = pool.submit(attempt, name, function)
            results.update((name, future.result()) for name, future in begun.items())
        except BaseException:
            STOPPED.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def report(results):
    """Write KTAP; return how many cases passed, failed and were skipped."""
    count = {'ok': 0, 'failed': 0, 'skipped': 0}
    ktap = ['KTAP version 1', f'1..{len(results)}']
    for number, (name, cases) in enumerate(results.items(), 1):
        ktap += ['    KTAP version 1', f'    # Subtest: {name}', f'    1..{len(cases)}']
        bad = False
        for i, (case, state) in enumerate(cases.items(), 1):
            kind = state.split(':')[0]
            count[kind] += 1
            bad = bad or kind == 'failed'
            note = f' # SKIP {state[9:]}' if kind == 'skipped' else ''
            ktap.append(f'    {"not ok" if kind == "failed" else "ok"} {i} {case}{note}')
        ktap.append(f'{"not ok" if bad else "ok"} {number} {name}')
    os.makedirs(os.path.dirname(KTAP), exist_ok=True)
    with open(KTAP, 'w') as file:
        file.write('\n'.join(ktap) + '\n')
    return count['ok'], count['failed'], count['skipped']


def conclude(results):
    """Say what failed, count, and end."""
    passed, failed, skipped = report(results)
    for name, cases in results.items():
        for case, state in cases.items():
            if state.startswith('failed'):
                print(f'not ok: {name}: {case}: {state}')
    print(f'KTAP and consoles: {os.path.relpath(os.path.join(BUILD, "results"))}')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    sys.exit(1 if failed else 0)


def asked(full=False):
    """The tables that ARCH and ONLY ask for, with the source made ready."""
    arch, only = os.environ.get('ARCH'), os.environ.get('ONLY')
    todo = tables([choose('ARCH', arch, ARCHES)] if arch else list(ARCHES), only, full)
    # make attack names what both architectures have, whichever is asked for.
    names = [name for name, *_ in tables(list(ARCHES), only, full)]
    for pattern in (only or '').split():
        if not todo or not fnmatch.filter(names, pattern):
            die(f'ONLY={pattern} fits no test' + (f' of ARCH={arch}' if arch else ''))
    tree.prepare()
    return todo


def main():
    if os.environ.get('DOCS') and KERNEL != KERNELS[0]:
        die(f'DOCS=1 is for {KERNELS[0]}')
    results = perform(asked())
    if os.environ.get('DOCS'):
        conditions.write_table(results)
    conclude(results)


if __name__ == '__main__':
    script(main)
