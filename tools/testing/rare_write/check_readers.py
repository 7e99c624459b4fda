# SPDX-License-Identifier: GPL-2.0-only
"""Readers of write-rare data must load it from memory, whatever compiled them.
And the steps of a window must be in the order that make model shows to be right.

readers/ is a module. It is built as far as the .ko, which for
ThinLTO is after code generation, and each of its readers is disassembled. The
readers of merely const data in it are the control: if they were not seen to use
the initial value, a broken reader would not be seen either. For the same reason
the module is built once more with const as the only annotation, as in the RFC.
"""
import itertools
import os
import re
import shutil
import subprocess

import build
from common import BUILD, HERE, MAIN, captured

# What compiles the module: {name: (config, toolchain)}. Only headers are needed, which make
# check has of these anyway but for the last.
LANES = {'clang': (MAIN, 'clang'), 'gcc': ('lint', 'gcc'), 'thinlto': ('lto', 'clang')}
FILES = ('define.c', 'use.c', 'off.c', 'readers.h')
KINDS = ('scalar', 'member', 'element', 'pointer')
READERS = [f'{where}_{kind}' for where in ('reads_static', 'reads_extern_here',
                                           'reads_extern_there') for kind in KINDS]
CONTROLS = [f'folds_const_{kind}' for kind in KINDS]
# Bytes in one store, which is as here, or on arm64 for what publishes as there. A single byte
# cannot come in parts.
SIZES = ('u16', 'u32', 'u64')
PLAIN = {'x86_64': ('movw ', 'movl ', 'movq '), 'arm64': ('strh w', 'str w', 'str x')}
STORES = {'writes': PLAIN, 'releases': {**PLAIN, 'arm64': ('stlrh w', 'stlr w', 'stlr x')}}
SECTION = '.data..rare_write'
LOADED, ADDRESS = 'loaded from', 'the address of'

# What the steps of a window are made of, by how they look, and their order. No emulator shows
# that one is missing or too early.
STEPS = {
    'x86_64': ((('CR3', r'mov\w* %\w+, %cr3'), ('INVLPG', r'invlpg '),
                ('clear', r'mov\w* \$0x0, (?!.*%rsp).*\('), ('percpu', r'mov\w* %\w+, %gs:'),
                ('store', r'mov\w* %\w+, (?!.*%rsp).*\(')),
               'store CR3 store clear INVLPG CR3'),
    'arm64': ((('TTBR0', r'msr TTBR0_EL1'), ('TTBR1', r'msr TTBR1_EL1'), ('ISB', r'isb'),
               ('DSB.nshst', r'dsb nshst'), ('DSB.nsh', r'dsb nsh$'), ('TLBI.vae1', r'tlbi vae1,'),
               ('TLBI', r'tlbi'), ('clear', r'st\w+ xzr, \[x'),
               ('percpu', r'st\w+ \w+, \[x\d+, x\d+\]'), ('store', r'st\w+ \w+, \[x(?!29)')),
              'store DSB.nshst TTBR0 TTBR1 TTBR0 ISB store clear DSB.nshst TLBI.vae1 DSB.nsh '
              'TTBR0 TTBR1 TTBR0 ISB'),
}

# And those of going on to another page: no store but by way of the alias while there is one.
TURN = {
    'x86_64': 'clear INVLPG percpu store',
    'arm64': 'clear DSB.nshst TLBI.vae1 DSB.nsh percpu store DSB.nshst ISB',
}

# What writes to where an entry says.
HANDLERS = {
    'kernel/rare_sysctl.o': ('proc_rare_dostring', 'proc_rare_dobool', 'proc_rare_dointvec',
                             'proc_rare_douintvec', 'proc_rare_dointvec_minmax'),
    'fs/coredump.o': ('proc_dostring_coredump',),
    'fs/exec.o': ('proc_dointvec_minmax_coredump',),
    'kernel/printk/sysctl.o': ('proc_dointvec_minmax_sysadmin',),
    'kernel/trace/ftrace.o': ('ftrace_enable_sysctl',),
    'net/core/sysctl_net_core.o': ('proc_dointvec_minmax_bpf_restricted',),
    'security/apparmor/lsm.o': ('apparmor_dointvec',),
    'security/loadpin/loadpin.o': ('proc_handler_loadpin',),
}

# What keeps an index in its table, or a value from going back: how often, by file.
BOUNDS = {
    'kernel/bpf/syscall.o': 1,
    'kernel/kexec_core.o': 1,
    'net/core/sock_diag.o': 2,
    'net/core/sysctl_net_core.o': 2,
    'net/socket.o': 1,
    'security/lockdown/lockdown.o': 1,
    'security/selinux/ss/services.o': 1,
    'security/yama/yama_lsm.o': 1,
}

FUNCTION = re.compile(r'^[0-9a-f]+ <(\w+)>:$')
RELOCATION = re.compile(r'^\s*[0-9a-f]+:\s+R_\w+\s+(\S+?)(?:[+-]0x[0-9a-f]+)?$')
INSTRUCTION = re.compile(r'^\s*[0-9a-f]+:\s+(\w\S*)\s*(.*?)\s*(?:(?:#|//|<).*)?$')


def sections(binary):
    """{symbol: name of its section}; a section's name stands for itself."""
    text = subprocess.check_output(['llvm-readelf-19', '-S', '-s', '-W', binary], text=True)
    names = dict(re.findall(r'^\s*\[\s*(\d+)\]\s+([.\w]\S*)', text, re.M))
    found = {name: name for name in names.values()}
    for index, name in re.findall(r'^\s*\d+: [0-9a-f]+ .*\s(\d+|UND|ABS) (\S+)$', text, re.M):
        found.setdefault(name, names.get(index, 'another module'))
    return found


def functions(binary):
    """{function: [[mnemonic, operands, symbol that it refers to or None]]}."""
    found, body = {}, []
    text = subprocess.check_output(['llvm-objdump-19', '-dr', '--no-show-raw-insn', binary],
                                   text=True)
    for line in text.splitlines():
        if start := FUNCTION.match(line):
            body = found.setdefault(start[1], [])
        elif (refers := RELOCATION.match(line)) and body:
            body[-1][2] = refers[1]
        elif instruction := INSTRUCTION.match(re.sub(r'#(?=-?\w)', '', line)):
            body.append([instruction[1], instruction[2], None])
    return found


def register(arch, operand):
    """One name for a register in all its widths; None if it is none."""
    if arch == 'x86_64':
        found = re.fullmatch(r'%[re]?(r\d+|[a-d](?=[xl])|[sd]i|[sb]p)[dwblx]?', operand)
        return found and found[1]
    found = re.fullmatch(r'[xw](\d+|zr)', operand)
    return found and found[1]


def step(arch, mnemonic, operands, section, known):
    """Follow one instruction: known is {register: (LOADED or ADDRESS, section)}."""
    parts = [p.strip() for p in re.split(r',\s*(?![^(\[]*[)\]])', operands)]
    if arch == 'x86_64':
        source, target = parts[0], register(arch, parts[-1])
        memory = mnemonic.startswith('mov') and source[0] not in '$%'
        base = re.search(r'\((%\w+)', source)
        base = base and register(arch, base[1])
    else:
        target = register(arch, parts[0])
        source = parts[1] if len(parts) > 1 else ''
        memory = mnemonic.startswith('ldr')
        base = re.match(r'\[?([xw]\d+)', source)
        base = base and register(arch, base[1])
    if not target or mnemonic.startswith(('push', 'st', 'cmp', 'test')):
        return
    came = known.get(base or register(arch, source))
    value = None
    if memory:
        if section or (came and came[0] == ADDRESS):
            value = (LOADED, section or came[1])
    elif section and mnemonic.startswith(('mov', 'lea', 'adrp', 'add')):
        value = (ADDRESS, section)
    elif came and (mnemonic.startswith('mov') or came[0] == ADDRESS):
        value = came
    known[target] = value


def result(arch, body, where):
    """What a function without branches returns, as step() tells; None: a constant."""
    known = {}
    for mnemonic, operands, symbol in body:
        if mnemonic.startswith(('ret', 'jmp')) or mnemonic == 'b':
            return known.get('a' if arch == 'x86_64' else '0')
        if operands:
            step(arch, mnemonic, operands, where.get(symbol), known)
    return None


def steps(arch, body):
    """What a function has of the steps of a window, as (kind, instruction)."""
    found = []
    for mnemonic, operands, _ in body:
        line = f'{mnemonic} {operands}'
        kind = next((kind for kind, pattern in STEPS[arch][0] if re.match(pattern, line)), None)
        found += [(kind, line)] if kind else []
    return found


def whole(arch, body, how, size):
    """Does a function that writes or releases its argument of that size do so in one store?

    Until the entry is cleared there are two: that of the entry, and this one.
    """
    stores = [line for kind, line in itertools.takewhile(
        lambda step: step[0] != 'clear', steps(arch, body)) if kind == 'store']
    want = (PLAIN[arch][-1], STORES[how][arch][SIZES.index(size)])
    return len(stores) == 2 and all(map(str.startswith, stores, want))


def order(arch, body):
    """The steps of the window in a function with one, as words; cold code is not among them."""
    found = [kind for kind, _ in steps(arch, body)]
    # Behind the window is what counts and traces, and stores as well.
    end = len(STEPS[arch][1].split())
    return ' '.join(found[:end] + [kind for kind in found[end:] if kind not in ('percpu', 'store')])


def turn(arch, body):
    """The steps of going on to another page, as words, from the first of them: gcc puts those
    behind the others which are needed only if there is an alias already."""
    found = [kind for kind, _ in steps(arch, body)]
    first = found.index('clear') if 'clear' in found else 0
    return ' '.join(found[first:] + found[:first])


def masked(body):
    """What follows once interrupts are off, up to where a window masks them again."""
    behind = list(itertools.dropwhile(lambda line: line[0] != 'cli', body))[1:]
    return list(itertools.takewhile(lambda line: line[0] not in ('cli', 'sti'), behind))


def of_entry(body):
    """Is a range that of the entry which was compared? That is in a register from there on: it is
    another one if it was loaded from the stack since. Bodies are read as they lie there."""
    entry, *behind = [*itertools.dropwhile(lambda line: line[2] != '__start_rodata',
                                           masked(body))] or [(None, '', None)]
    register = entry[1].rpartition(' ')[2]
    for mnemonic, operands, _ in behind:
        # extra1 and extra2 of struct ctl_table.
        if mnemonic.startswith('mov') and (found := re.match(r'0x(?:28|30)\((%\w+)\), ', operands)):
            if found[1] not in (register, '%rsp'):
                return False
        elif re.match(rf'\S*\(%rsp\), {register}$', operands):
            register = None
    return True


def asked_last(body):
    """Is an entry of the kernel looked at once interrupts are off, and what comes from the stack
    then used for all? On x86-64: arm64 has the addresses to compare with in registers before.

    They are constants, so that a compiler might compare before, and load the entry from the
    stack again. What it loads twice in a row was compared and is loaded to be used; the
    loops of a window load something else in between.
    """
    behind = itertools.dropwhile(lambda line: line[0] != 'cli', body)
    slots = [found[1] for mnemonic, operands, _ in masked(body) if mnemonic.startswith('mov') and
             (found := re.match(r'(\S*\(%rsp\)), ', operands))]
    return ('__start_rodata' in [symbol for _, _, symbol in behind] and of_entry(body) and
            all(one != other for one, other in itertools.pairwise(slots)))


def compared_masked(body):
    """How often is something compared once interrupts are off, before a window, which masks
    them again? On x86-64, as above. It tells that guard(irqsave)() is there, and that a
    test follows; not of what."""
    masks = [index for index, (mnemonic, *_) in enumerate(body) if mnemonic == 'cli']
    between = [body[one:other] for one, other in itertools.pairwise(masks)]
    return sum(any(mnemonic.startswith('cmp') for mnemonic, *_ in steps) and
               not any('%cr3' in operands for _, operands, _ in steps) for steps in between)


def alike(one, other, names):
    """Are two functions the same, but for the names of their objects? Neither has a branch."""
    first, second = ([(m, symbol if symbol not in names else 'object') for m, _, symbol in
                      # What comes behind the return fills the space to the next function.
                      itertools.takewhile(lambda line: not line[0].startswith('ret'), body)]
                     for body in (one, other))
    return bool(first) and first == second


def judge(arch, binary, lane):
    """Return {case: 'ok' or 'failed...'} for each reader and control, and the writer."""
    where, bodies, cases = sections(binary), functions(binary), {}
    for name in READERS + CONTROLS:
        if name not in bodies:
            cases[f'{lane}.{name}'] = 'failed: no such function'
            continue
        found = result(arch, bodies[name], where)
        if name in CONTROLS:
            good = not found or found[0] != LOADED
        else:
            good = found == (LOADED, SECTION)
        cases[f'{lane}.{name}'] = 'ok' if good else (
            f'failed: returns what is {" ".join(found) if found else "a constant"}')
    for how, case in (('writes', 'writes_whole'), ('releases', 'releases')):
        torn = [size for size in SIZES
                if not whole(arch, bodies.get(f'{how}_{size}', []), how, size)]
        cases[f'{lane}.{case}'] = f'failed: not one such store: {" ".join(torn)}' if torn else 'ok'
    plain = alike(bodies.get('off_is_plain', []), bodies.get('plain', []),
                  ('off_object', 'plain_object'))
    cases[f'{lane}.off_is_plain'] = 'ok' if plain else 'failed: not the same instructions'
    found = {name: order(arch, bodies.get(name, []))
             for size in SIZES for name in (f'writes_{size}', f'releases_{size}')}
    wrong = [f'{name}: {what}' for name, what in found.items() if what != STEPS[arch][1]]
    cases[f'{lane}.window_order'] = f'failed: {"; ".join(wrong)}' if wrong else 'ok'
    found = turn(arch, bodies.get('turns', []))
    cases[f'{lane}.turn_order'] = 'ok' if found == TURN[arch] else f'failed: {found}'
    return cases


def compiled(arch, lane, flags=''):
    """Build the module in a lane; return (path of the .ko or None, output)."""
    config, toolchain = LANES[lane]
    obj = build.headers(arch, config, toolchain)
    folder = os.path.join(BUILD, f'{arch}-readers', lane)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in FILES:
        shutil.copy(os.path.join(HERE, 'readers', name), folder)
    with open(os.path.join(folder, 'Kbuild'), 'w') as file:
        file.write('obj-m := readers.o\nreaders-y := define.o use.o off.o\n')
    # Without a kernel there is no list of its symbols, and none is needed.
    status, output = captured(
        build.make_args(arch, toolchain, obj) +
        [f'M={folder}', 'KBUILD_MODPOST_WARN=1', f'KCFLAGS={flags}', 'modules'],
        env=build.environment())
    binary = os.path.join(folder, 'readers.ko')
    return binary if status == 0 and os.path.isfile(binary) else None, output


def loads(body, where):
    """How often does a function refer to what is write-rare?"""
    return sum(where.get(symbol) == SECTION for _, _, symbol in body)


def kernel(arch):
    """Look at functions of the kernel; return {case: 'ok' or 'failed...'}."""
    config, toolchain = LANES['clang']
    obj, paths = build.headers(arch, config, toolchain), [*HANDLERS, *BOUNDS, 'kernel/umh.o']
    status, output = captured([*build.make_args(arch, toolchain, obj), *paths],
                              env=build.environment())
    if status:
        return {'clang.kernel': f'failed: {output[-300:]}'}
    umh = os.path.join(obj, 'kernel/umh.o')
    # It passes two structs by value, of which clang uses the initial value. To name one takes
    # an instruction or, on arm64, two.
    found = loads(functions(umh).get('call_usermodehelper_exec_async', []), sections(umh))
    cases = {'clang.reads_capabilities': 'ok' if found == {'x86_64': 2, 'arm64': 4}[arch] else
                                         f'failed: {found} references to them'}
    if arch == 'x86_64':
        early = []
        for path, names in HANDLERS.items():
            bodies = functions(os.path.join(obj, path))
            early += [name for name in names if not asked_last(bodies.get(name, []))]
        cases['clang.asked_last'] = f'failed: {" ".join(early)}' if early else 'ok'
        early = [path for path, times in BOUNDS.items() if times > sum(
            map(compared_masked, functions(os.path.join(obj, path)).values()))]
        cases['clang.compared_masked'] = f'failed: {" ".join(early)}' if early else 'ok'
    return cases


def run(arch):
    """Return {case: 'ok' or 'failed...'} for all lanes."""
    cases = kernel(arch)
    for lane in LANES:
        binary, output = compiled(arch, lane)
        cases[f'{lane}.builds'] = 'ok' if binary else f'failed: {output[-300:]}'
        cases.update(judge(arch, binary, lane) if binary else {})
    binary, output = compiled(arch, 'thinlto', '-DREADERS_CONST_ONLY')
    states = judge(arch, binary, 'thinlto') if binary else {}
    missed = [name for name in READERS
              if not states.get(f'thinlto.{name}', '').startswith('failed: returns')]
    cases['thinlto.const-only-is-caught'] = f'failed: not {" ".join(missed)}' if missed else 'ok'
    return cases
