#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Read a kernel's console: splats that nobody expected, and test results.

A test that breaks something on purpose says so around it:

	rare_write-expect-begin: NAME /REGEX/
	rare_write-expect-end: NAME

What is between may be one oops or warning, and must match REGEX. Nothing else is exempt, but for
what without_fair_server() and short_of_memory() cut out by its own words.
"""
import re

# No oops that is expected brings these along.
NEVER = (
    r'\bINFO: task\b', r'\brcu.*detected stall', r'\bsoft lockup\b',
    r'\bpossible recursive locking\b', r'\bsuspicious RCU\b', r'\bUBSAN: ', r'\bBUG: KASAN: ',
    r'\bKCSAN: ', r'W\+X mappings: FAILED', r'rodata_test: .*(?:wrong|error|fail)',
    r'rare_write: .*(?:do not arrive|is writable|does not hold|next to .* changed)',
    r'\bprintk messages dropped\b',
)
DENY = (
    r'\bWARNING: ', r'\bBUG: ', r'\bOops\b', r'\bkernel BUG at\b', r'\bUnable to handle kernel\b',
    r'\bInternal error: ', r'\bgeneral protection fault\b', r'\bCall [Tt]race:',
    r'\bKernel panic\b', r'\bKASAN: ', *NEVER,
)
# A bug that is not an oops, but for what may come of one: a task dies as an RCU reader.
UNASKED = (r'(?<!Oops - )\bBUG: (?!unable to|kernel NULL|'
           r'sleeping function called from invalid context at include/linux/cgroup-defs\.h)')
# An oops, by its number, or a warning, but for what goes with one: x86 without SMAP warns of user
# memory that is asked for with interrupts off; arm64 where the CPU switches to another task, or
# to none, since what masked its exceptions is not undone. gcc adds to a name: .constprop.0.
EVENT = (r'\[#\d+\]|\bWARNING: (?!(?:.* at )?(?:arch/x86/mm/fault\.c:\d+ (?:at )?\w*_fault|'
         r'kernel/context_tracking\.c:\d+ (?:at )?ct_kernel_exit|'
         r'arch/arm64/kernel/process\.c:\d+ (?:at )?__switch_to)(?:\.\w+)*\+)')
# What the kernel says when it has looked at itself, which it does if rodata=off does not keep it
# from that. DENY has what it says when it found something.
SELF_CHECKS = {'boot.w-xor-x': 'Checked W+X mappings: passed',
               'boot.rodata': 'rodata_test: all tests were successful'}
# What comes before a line of the kernel's log, which is what the guest's programs speak to.
STAMP = r'^(?:\[[^]]*\] ?)*'
BEGIN = re.compile(r'rare_write-expect-begin: (\S+) /(.*)/$')
END = re.compile(r'rare_write-expect-end: (\S+)')

INT3 = re.compile(r'Oops: int3: .*\n(?:.*\n){0,5}?.*Code: (?:[0-9a-f]{2} )*([0-9a-f]{2}) <')


def stale_code(text):
    """Did x86 die of an int3 that was not in memory when it looked?

    The kernel puts one there while it changes code, and takes it away when all CPUs have
    seen that. QEMU before 8.1 may translate code while another CPU writes it, and keep the
    result. An int3 that somebody ran into is still there: the byte before the address is 0xcc.
    """
    found = INT3.search(text)
    if not found or found[1] == 'cc':
        return False
    # What went wrong before that stands.
    before = text[:found.start()]
    return not re.search(r'\bnot ok \d', before) and not [
        bad for bad in splats(before) if bad.startswith('splat')]


def once(text):
    """Without what the kernel says again, since another CPU took the console from it meanwhile."""
    return re.sub(r'^(.+)\n*\*\* replaying previous printk message \*\*\n(?=\1)', '', text,
                  flags=re.M)


def splats(text, deny=DENY):
    """Everything on the console that should not be there."""
    if not deny:
        return ['the list of splats is empty: nothing was checked']
    pattern, never = re.compile('|'.join(deny)), re.compile('|'.join((*NEVER, UNASKED)))
    bad, expected, seen, events = [], None, False, 0
    for line in text.splitlines():
        line = line.rstrip()
        if found := BEGIN.search(line):
            if expected:
                bad.append(f'{expected[0]}: no end of what was expected')
            expected, seen, events = (found[1], found[2]), False, 0
        elif found := END.search(line):
            if not expected or expected[0] != found[1]:
                bad.append(f'{found[1]}: an end without a begin')
            elif not seen:
                bad.append(f'{found[1]}: /{expected[1]}/ did not come')
            expected = None
        elif expected:
            if re.search(expected[1], line):
                seen = True
            elif never.search(line):
                bad.append(f'splat in {expected[0]}: {line.strip()}')
            events += bool(re.search(EVENT, line))
            if events > 1:
                bad.append(f'one more splat in {expected[0]}: {line.strip()}')
                events = 1
        elif pattern.search(line):
            bad.append(f'splat: {line.strip()}')
    if expected:
        bad.append(f'{expected[0]}: no end of what was expected')
    return bad


def without_fair_server(text):
    """Without what 6.12 says of a CPU that went away while its fair server was queued.

    It counts that as a task, which later kernels do not: it warns of one too many, and lists the
    stopper alone. If anything else is between, or another task on the list, all of it stays.
    """
    said = (r'.*---\[ cut here \]---.*\n.*\] Dying CPU not properly vacated!\n'
            r'.*\] WARNING: CPU: (\d+) PID: \d+ at kernel/sched/core\.c:\d+ sched_cpu_dying\+.*\n'
            r'(?:.*\n)*?.*---\[ end trace .*\n.*\] CPU\1 enqueued tasks \(2 total\):\n'
            r'.*\] \tpid: \d+, name: migration/\1\n(?!.*\] \tpid: )')
    # Two: the warning and its trace.
    return re.sub(said, lambda found: found[0] if len(splats(found[0])) > 2 else '', text)


def results(text):
    """Test cases in the KTAP on the console: {suite.case: 'ok', 'failed' or why skipped}.

    Only leaves count, not their sums. A plan that was not fulfilled is a failed case;
    parameterised cases of KUnit have no plan.
    """
    cases, stack = {}, []

    def close(indent):
        """Leave the levels that are deeper than indent."""
        while stack and stack[-1]['indent'] > indent:
            level = stack.pop()
            if level['plan'] not in (None, level['seen']):
                cases[f'{level["name"]}.plan'] = 'failed'

    for line in text.splitlines():
        # The console puts a time before each line, and KTAP's indent comes after it.
        line = re.sub(r'^\[\s*\d+\.\d+\] (\[\s*[TC]\d+\] )?', '', line.rstrip())
        body = line.lstrip()
        indent = len(line) - len(body)
        if re.match(r'K?TAP version', body):
            close(indent - 1)
            if stack:
                stack[-1]['sum'] = True
            stack.append({'indent': indent, 'plan': None, 'seen': 0, 'name': 'kselftest',
                          'sum': False})
        elif not stack:
            continue
        elif found := re.match(r'1\.\.(\d+)$', body):
            stack[-1]['plan'] = int(found[1])
        elif found := re.match(r'# Subtest: (\S+)', body):
            stack[-1]['name'] = found[1]
        elif found := re.match(r'(not )?ok \d+ (?:- )?([^#]*?)\s*(?:# (.*))?$', body):
            close(indent)
            if not stack:
                continue
            level = stack[-1]
            level['seen'] += 1
            if not level['sum']:
                state, note = 'failed' if found[1] else 'ok', found[3] or ''
                if note.startswith('SKIP'):
                    state = note[4:].strip() or 'no reason given'
                cases[f'{level["name"]}.{found[2]}'] = state
            level['sum'] = False
    close(-1)
    return cases


def short_of_memory(text):
    """What the kernel says of a module that lacks memory is cut out: a trace where it has no
    address for it, and warnings about jump labels. Anything else remains, and is a splat."""
    step = 'exec /bin/rare_write_starve /lib/'
    said = (r'.*: vmalloc error: .*\n(?:.*\n)*?.* Mem-Info:\n|'
            r'.*---\[ cut here \]---.*\n(?:.*\] Failed to allocate memory: jump_label .*\n)?'
            r'.*\] WARNING: .* at kernel/jump_label\.c:.*\n(?:.*\n)*?.*---\[ end trace .*\n')
    return re.sub(rf'init: step {step}(?:.*\n)*?.*init: \w+ {step}',
                  lambda found: re.sub(said, '', found[0]), text)
