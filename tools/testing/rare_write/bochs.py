# SPDX-License-Identifier: GPL-2.0-only
"""Boot a test kernel in bochs, beside whatever else runs.

QEMU's TCG has no PCID, so the way that every real Intel CPU goes is never taken
there. bochs has PCID. It does not load a kernel by itself, so GRUB does, from an
ISO image; it has no virtio, so the verdict of init goes to the second serial
port; and it interprets, so it needs one core for about a minute.
"""
import os
import pty
import select
import time

import vm
from common import ARCHES, child, first_line, logged

# Instructions per second of the machine's own time, which is not ours: few, so that a
# sleep of the kernel, or its wait for the serial port, is over after few instructions.
IPS = 20_000_000

# Nobody is there to be asked: what bochs cannot go on from ends it. So do power-off,
# which is a panic to it, and a triple fault, which is how reboot=t restarts.
RC = '''\
display_library: term
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
log: {name}.bochs
debug: action=ignore
info: action=ignore
error: action=report
panic: action=fatal
cpu: model={cpu}, count=1:{smp}:1, ips={ips}, reset_on_triple_fault=0
megs: 256
ata0-master: type=cdrom, path={name}.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={name}.console
com2: enabled=1, mode=file, dev={name}.verdict
'''

GRUB = '''\
linux /bzImage console=ttyS0,115200 verdict=/dev/ttyS1 panic=-1 printk.devkmsg=on reboot=t {append}
initrd /initrd
boot
'''


def version():
    """It does not tell, but the package does."""
    return ' '.join(first_line('dpkg-query', '--show', 'bochs').split())


def image(obj, base, append):
    """An ISO image that boots a kernel."""
    # CPUID tells the frequency of the CPU that bochs plays, but it does not have that.
    append = f'tsc_early_khz={IPS // 1000} {append}'
    with open(base + '.grub', 'w') as file:
        file.write(GRUB.format(append=append))
    logged(['grub-mkrescue', '-o', base + '.iso',
            f'/boot/grub/grub.cfg={base}.grub', f'/initrd={base}.cpio',
            f'/bzImage={os.path.join(obj, ARCHES["x86_64"]["image"])}'],
           f'iso-{os.path.basename(base)}.log', 'making an ISO image')


def boot(obj, name, plan, files, cpu, smp, append='', timeout=600):
    """As vm.boot(). No bochs outlives this program: without it, it has no terminal."""
    base = vm.pack('x86_64', obj, name, plan, files)
    image(obj, base, append)
    with open(base + '.bochsrc', 'w') as file:
        file.write(RC.format(name=name, cpu=cpu, smp=smp, ips=IPS))
    with open(base + '.bochscmd', 'w') as file:
        # Debian's bochs has a debugger, which wants to be told to start.
        file.write('continue\nquit\n')
    end = time.monotonic() + timeout
    timed_out = False
    # It draws on a terminal, whatever is asked for, so it gets one of its own.
    terminal, its_end = pty.openpty()
    with open(base + '.screen', 'wb') as screen, child(
            ['setsid', '--ctty', 'bochs', '-q', '-f', f'{name}.bochsrc', '-rc', f'{name}.bochscmd'],
            stdin=its_end, stdout=its_end, stderr=its_end, cwd=os.path.dirname(base),
            env=dict(os.environ, TERM='vt100', COLUMNS='80', LINES='25')) as process:
        os.close(its_end)
        while process.poll() is None:
            if time.monotonic() > end:
                timed_out = True
                process.kill()
            if select.select([terminal], [], [], 0.2)[0]:
                try:
                    screen.write(os.read(terminal, 65536))
                except OSError:     # it closed its end, and ends
                    time.sleep(0.2)
    os.close(terminal)
    return vm.read(base, timed_out)
