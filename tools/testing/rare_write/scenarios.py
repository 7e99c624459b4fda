# SPDX-License-Identifier: GPL-2.0-only
"""What `make check` boots, and what each boot must bring."""

# name: kernel, CPU, command line
SCENARIOS = {
    'x86_64-qemu64': ('x86_64', 'test', 'qemu64', ''),
    'x86_64-qemu64-pti': ('x86_64', 'test', 'qemu64', 'pti=on'),
    'x86_64-max-4level': ('x86_64', 'test', 'max', 'no5lvl'),
    'x86_64-max-5level': ('x86_64', 'test', 'max', ''),
    'x86_64-rodata-off': ('x86_64', 'test', 'max', 'rodata=off'),
    'x86_64-prod': ('x86_64', 'prod', 'max', ''),
    'x86_64-off': ('x86_64', 'off', 'max', ''),
    'arm64-cortex-a57': ('arm64', 'test', 'cortex-a57', ''),
    'arm64-neoverse-n1': ('arm64', 'test', 'neoverse-n1', ''),
    'arm64-max': ('arm64', 'test', 'max', ''),
    'arm64-max-kpti': ('arm64', 'test', 'max', 'kpti=on'),
    # With pseudo-NMIs 6.12 leaves a CPU masked after any BUG() in a kernel thread,
    # window or not: none is provoked here.
    'arm64-max-pseudo-nmi': ('arm64', 'test', 'max', 'irqchip.gicv3_pseudo_nmi=1 '
                             'kunit.filter_glob=rare_write_protect'),
    'arm64-max-rodata-on': ('arm64', 'test', 'max', 'rodata=on'),
    'arm64-max-rodata-off': ('arm64', 'test', 'max', 'rodata=off'),
    'arm64-prod': ('arm64', 'prod', 'max', ''),
    'arm64-off': ('arm64', 'off', 'max', ''),
    'icount-x86_64': ('x86_64', 'prod', 'max', ''),
    'icount-arm64': ('arm64', 'prod', 'max', ''),
}

# What the kernel says at boot, by scenario or by its kernel; None: nothing.
BOOT_LINE = {
    'test': 'rare_write: temporary alias protects',
    'prod': 'rare_write: temporary alias protects',
    'off': None,
    'x86_64-rodata-off': 'rare_write: nothing is protected: rodata=off',
    'arm64-max-rodata-off': 'rare_write: nothing is protected: rodata=off',
    'arm64-max-rodata-on': 'modules are writable in the linear map',
}

# Where the alias is tells how many levels of page tables the kernel really uses.
ALIAS = {'x86_64-max-4level': 'ffff878', 'x86_64-max-5level': 'ff0f'}

# How many cases of each suite must run, by scenario or by its kernel.
OFF = {'rare_write': 12}
COUNTED = {**OFF, 'misuse_is_fatal': 21, 'rare_write_misuse': 2, 'rare_write_cost': 1}
PROD = {**COUNTED, 'kselftest': 8}
CASES = {'test': {**PROD, 'rare_write_protect': 15}, 'prod': PROD, 'off': OFF,
         'icount-x86_64': COUNTED, 'icount-arm64': COUNTED,
         'arm64-max-pseudo-nmi': {'rare_write_protect': 15, 'kselftest': 8}}

# One instruction is one nanosecond: counts are exact, and the same in every run.
ICOUNT = {'qemu': ['-icount', 'shift=0'], 'smp': 1, 'module': ' icount=1'}

# Skips that are right: (scenario, suite.case), either a pattern: the reason given.
SKIPS = {
    ('x86_64-rodata-off', 'rare_write_protect.*'): 'nothing is protected: rodata=off',
    ('arm64-max-rodata-off', 'rare_write_protect.*'): 'nothing is protected: rodata=off',
    ('arm64-max-rodata-on', 'rare_write_protect.module_linear_map'):
        'modules are writable in the linear map: rodata=on',
    ('arm64-*', 'rare_write_protect.nmi_in_window'):
        'a window masks all that this machine has of NMIs',
    ('*-prod', 'rare_write_misuse.sleep_inside'): 'needs DEBUG_ATOMIC_SLEEP',
    ('icount-*', 'rare_write_misuse.sleep_inside'): 'needs DEBUG_ATOMIC_SLEEP',
    ('*-prod', 'kselftest.'): 'counters need RARE_WRITE_DEBUG',
    ('[!i]*', 'rare_write_cost.window_cost'): 'not counted: needs icount=1',
}


def plan(arch, config, name):
    """The steps of a scenario, and the modules that they need."""
    crash = '/sys/kernel/debug/provoke-crash/DIRECT'
    state = '/sys/module/rare_write_howto/parameters/state'
    if name.startswith('icount-'):
        return [f'insmod /lib/rare_write_kunit.ko{ICOUNT["module"]}'], ['rare_write_kunit']
    # Every CPU but the first goes and returns: the tests then run on returned CPUs.
    steps = [f'write /sys/devices/system/cpu/cpu{cpu}/online {on}'
             for cpu in (1, 2, 3) for on in (0, 1)]
    steps += ['insmod /lib/rare_write_kunit.ko ', 'rmmod rare_write_kunit ',
             'insmod /lib/rare_write_howto.ko ', f'write {state} 3 /sbin/other', f'cat {state} ']
    modules = ['rare_write_kunit', 'rare_write_howto', 'lkdtm']
    if config != 'off':
        steps += ['cat /sys/kernel/debug/rare_write/regions ', 'exec /bin/rare_write_test ']
    if config == 'test':
        steps.append('cat /sys/kernel/debug/rare_write/counters ')
        if 'rodata-off' not in name and 'rodata-on' not in name:
            modules.append('rare_write_demo')
            steps += ['insmod /lib/rare_write_demo.ko ',
                      'cat /sys/kernel/debug/rare_write_demo/run ', 'rmmod rare_write_demo ']
    steps.append('rmmod rare_write_howto ')
    if 'pseudo-nmi' in name:
        return steps, modules
    steps.append('insmod /lib/lkdtm.ko ')
    if BOOT_LINE.get(name, BOOT_LINE[config]) and 'rodata-off' not in name:
        steps += [f'kills {crash} WRITE_RARE_WRITE', f'kills {crash} RARE_WRITE']
    else:
        steps += [f'write {crash} WRITE_RARE_WRITE', f'write {crash} RARE_WRITE']
    return steps, modules
