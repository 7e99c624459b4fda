# SPDX-License-Identifier: GPL-2.0-only
"""Follow a guest through QEMU's debugger port, instruction by instruction.

The kernel calls rare_write_bench_mark(way, work, function) before it calls
function. What is wanted of that is followed from its first instruction to its
return: neither interrupts nor timers come in between, QEMU sees to that.
"""
import os
import re
import socket
import subprocess
import tempfile
import threading
import time

from common import ARCHES, die

# Numbers of registers as QEMU counts them: program counter, stack, arguments.
REGISTERS = {
    'x86_64': {'pc': 16, 'sp': 7, 'args': (5, 4, 3), 'result': 0},
    'arm64': {'pc': 32, 'sp': 31, 'lr': 30, 'args': (0, 1, 2), 'result': 0},
}
LONGEST = {'x86_64': 15, 'arm64': 4}
TOO_FAR = 60000


class Gone(Exception):
    """QEMU closed the connection: the guest is done."""


class Stub:
    """The remote protocol of gdb, as much of it as is needed."""

    def __init__(self, connection, arch):
        self.registers = REGISTERS[arch]
        self.socket = connection
        self.socket.settimeout(120)
        self.buffer = b''
        self.ask('QStartNoAckMode')
        # Without asking for this QEMU does not read single registers.
        self.ask('qXfer:features:read:target.xml:0,ffb')

    def send(self, text):
        data = text.encode()
        self.socket.sendall(b'$%s#%02x' % (data, sum(data) & 255))

    def receive(self):
        while True:
            start = self.buffer.find(b'$')
            end = self.buffer.find(b'#', start)
            if start >= 0 and 0 <= end <= len(self.buffer) - 3:
                data = self.buffer[start + 1:end]
                self.buffer = self.buffer[end + 3:]
                return data.decode('latin-1')
            more = self.socket.recv(65536)
            if not more:
                raise Gone
            self.buffer += more

    def ask(self, text):
        self.send(text)
        return self.receive()

    def go(self, how):
        """Step or continue until the guest stops."""
        self.send(how)
        while True:
            answer = self.receive()
            if answer[0] in 'TS':
                return
            if answer[0] in 'WX':
                raise Gone

    def register(self, number):
        return int.from_bytes(bytes.fromhex(self.ask(f'p{number:x}')), 'little')

    def pc(self):
        return self.register(self.registers['pc'])

    def memory(self, address, length):
        answer = self.ask(f'm{address:x},{length:x}')
        return b'' if answer.startswith('E') else bytes.fromhex(answer)

    def string(self, address):
        return self.memory(address, 64).split(b'\0')[0].decode()

    def stop_at(self, address, on):
        if self.ask(f'{"Z" if on else "z"}0,{address:x},1') != 'OK':
            die(f'QEMU takes no breakpoint at {address:x}')

    def return_address(self):
        if 'lr' in self.registers:
            return self.register(self.registers['lr'])
        return int.from_bytes(self.memory(self.register(self.registers['sp']), 8), 'little')

    def step(self, pc):
        """Execute the instruction at pc; return where the guest is then.

        While something else waits for the CPU, QEMU ends a step that it has not made. So a step
        is what leads elsewhere, and an instruction that repeats itself is one, like any other.
        """
        now = pc
        while now == pc:
            self.go('s')
            now = self.pc()
        return now

    def set(self, number, value):
        if self.ask(f'P{number:x}={value.to_bytes(8, "little").hex()}') != 'OK':
            die(f'QEMU does not set register {number}')

    def return_with(self, value):
        """Do not do what the function does that has just been called, but return."""
        registers = self.registers
        self.set(registers['pc'], self.return_address())
        if 'lr' not in registers:
            self.set(registers['sp'], self.register(registers['sp']) + 8)
        self.set(registers['result'], value)


def connect(path, arch, patience=600):
    """Wait until QEMU listens: what it boots may have to be made first."""
    end = time.monotonic() + patience
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
            return Stub(connection, arch)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > end:
                raise
        time.sleep(0.1)


class Debugger(threading.Thread):
    """Debug a guest, which waits at its start, beside vm.boot(): what to do is in follow()."""

    def __init__(self, arch, obj, function):
        super().__init__(daemon=True)
        self.arch, self.error = arch, None
        self.function = symbol(obj, function)
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, 'gdb')
        self.options = ['-gdb', f'unix:{self.path},server=on,wait=off', '-S']

    def run(self):
        try:
            self.follow(connect(self.path, self.arch))
        except Gone:
            pass
        except (OSError, ValueError) as error:
            self.error = f'{type(error).__name__}: {error}'


class Tracer(Debugger):
    """Follow what is wanted(way, work)."""

    def __init__(self, arch, obj, wanted):
        super().__init__(arch, obj, 'rare_write_bench_mark')
        self.wanted = wanted
        self.paths, self.starts, self.code = {}, {}, {}

    def follow(self, stub):
        args = stub.registers['args']
        stub.stop_at(self.function, True)
        stub.go('c')
        while True:
            way, work = (stub.string(stub.register(arg)) for arg in args[:2])
            start = stub.register(args[2])
            stub.step(self.function)
            if self.wanted(way, work):
                stub.stop_at(start, True)
                stub.go('c')
                stub.stop_at(start, False)
                if stub.pc() != start:
                    raise ValueError(f'{way}/{work} is at {start:x}, not at {stub.pc():x}')
                self.paths[way, work] = self.one_call(stub, start, stub.return_address())
                self.starts[way, work] = start
            stub.go('c')

    def one_call(self, stub, start, end):
        path = []
        pc = start
        while pc != end and len(path) < TOO_FAR:
            if pc not in self.code:
                self.code[pc] = stub.memory(pc, LONGEST[self.arch])
            path.append(pc)
            pc = stub.step(pc)
        return path


def symbol(obj, name):
    """An address of the kernel when it is not moved."""
    with open(os.path.join(obj, 'System.map')) as file:
        found = re.search(rf'^([0-9a-f]+) \w {name}$', file.read(), re.M)
    if not found:
        die(f'the kernel has no {name}')
    return int(found[1], 16)


def disassemble(arch, code):
    """{address: bytes} to {address: text}, each instruction on its own."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, 'code.s'), os.path.join(folder, 'code.o')
        with open(source, 'w') as file:
            file.write('.text\n')
            for address, data in code.items():
                # Bytes would be data to arm64's disassembler.
                what = (f'.inst {int.from_bytes(data, "little"):#x}' if arch == 'arm64' else
                        '.byte ' + ','.join(str(byte) for byte in data))
                file.write(f'i_{address:x}: {what}\n')
        subprocess.check_call(['clang-19', f'--target={ARCHES[arch]["triple"]}', '-c',
                               '-o', binary, source])
        text = subprocess.check_output(
            ['llvm-objdump-19', '-d', '--no-show-raw-insn', binary] +
            (['--mattr=+all'] if arch == 'arm64' else []), text=True)
    found = re.findall(r'<i_([0-9a-f]+)>:\n\s*[0-9a-f]+:\s*(.*)', text)
    return {int(address, 16): re.sub(r'\s+', ' ', re.sub(r'\s*(<.*>|//.*)', '', line)).strip()
            for address, line in found}
