"""The filter decides right on both machines; an interpreter runs it here, the kernel in other tests."""

import errno
import struct

import pytest

from next_jax.execution.confinement import seccomp
from next_jax.execution.confinement import system_calls

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, REFUSE, NO_EFFECT = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM, 0x00050000


def decide(program, architecture, number, *arguments):
  """What a filter returns: an interpreter of the instructions that it uses (linux/filter.h)."""
  arguments = [argument % (1 << 64) for argument in (*arguments, *[0] * 6)[:6]]
  data = struct.pack("<IIQ6Q", number, architecture, 0, *arguments)
  lines = list(struct.iter_unpack("<HBBI", program))
  accumulator, place = 0, 0
  while True:
    code, if_true, if_false, value = lines[place]
    place += 1
    if code == 0x20:
      (accumulator,) = struct.unpack_from("<I", data, value)
    elif code == 0x54:
      accumulator &= value
    elif code == 0x06:
      return value
    else:
      conditions = {
          0x15: accumulator == value, 0x25: accumulator > value, 0x35: accumulator >= value, 0x45: accumulator & value,
      }
      place += if_true if conditions[code] else if_false


@pytest.fixture(params=system_calls.MACHINES)
def machine(request):
  return request.param


def call(machine, name, *arguments, signals=True):
  free, ruled = system_calls.numbers(machine)
  program = seccomp.program(machine, signals=signals)
  return decide(program, ARCHITECTURES[machine], {**free, **ruled}[name], *arguments)


def test_every_call_of_the_table_is_allowed_and_every_other_refused(machine):
  free, ruled = system_calls.numbers(machine)
  program = seccomp.program(machine, signals=True)
  decisions = {number: decide(program, ARCHITECTURES[machine], number) for number in range(1024)}
  assert {number for number, decision in decisions.items() if decision == ALLOW} >= set(free.values())
  assert {number for number, decision in decisions.items() if decision != REFUSE} <= {*free.values(), *ruled.values()}
  assert len(set(free.values()) | set(ruled.values())) == len(free) + len(ruled)


def test_calls_as_another_machine_kill_the_process_and_those_of_x32_are_refused():
  for machine in system_calls.MACHINES:
    program = seccomp.program(machine, signals=True)
    for architecture in (0x40000003, 0x40000028, *(set(ARCHITECTURES.values()) - {ARCHITECTURES[machine]})):
      assert decide(program, architecture, 0) == KILL
  assert decide(seccomp.program("x86_64", signals=True), ARCHITECTURES["x86_64"], 1 << 30) == REFUSE


def test_threads_and_processes_can_be_made_but_no_namespaces_and_no_siblings(machine):
  sigchld = 17
  assert call(machine, "clone", 0x01200000 | sigchld) == ALLOW  # as fork does
  assert call(machine, "clone", 0x003D0F00) == ALLOW  # as pthread_create does
  for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x8000):
    assert call(machine, "clone", flag | sigchld) == REFUSE, hex(flag)
  assert call(machine, "clone3") == 0x00050000 | errno.ENOSYS


def test_signals_go_anywhere_in_a_namespace_and_elsewhere_only_to_the_own_group(machine):
  for target in (1, -1, 0, 4711):
    assert call(machine, "kill", target, 9) == ALLOW
    assert call(machine, "kill", target, 9, signals=False) == (ALLOW if target == 0 else REFUSE)
  for name in ("tkill", "tgkill"):
    assert call(machine, name, 1, 1, 9) == ALLOW
    assert call(machine, name, 0, 0, 9, signals=False) == REFUSE


def test_modes_and_times_cannot_be_changed_but_nobody_notices(machine):
  for name in ("fchmod", "fchmodat", "fchmodat2", "utimensat"):
    assert call(machine, name, 3, 0o777) == NO_EFFECT


@pytest.mark.parametrize(
    "name, allowed, refused",
    [
        ("prctl", [(4, 0), (15, 0)], [(35, 0), (22, 1), (0x59616D61, 1)]),  # not memory maps, seccomp, who may trace
        # Not TIOCSTI, FIOSETOWN, FIOASYNC.
        ("ioctl", [(0, 0x5401), (0, 0x5421)], [(0, 0x5412), (0, 0x8901), (0, 0x5452)]),
        ("fcntl", [(0, 1), (0, 1030)], [(0, 8), (0, 10), (0, 15), (0, 1024)]),  # not owners of signals, nor leases
        ("prlimit64", [(0, 7)], [(1, 7), (4711, 0)]),
        ("sched_setaffinity", [(0, 8)], [(1, 8)]),
        ("socketpair", [(1, 1), (1, 0x80801)], [(1, 2), (1, 5), (1, 0x80002)]),  # streams only
    ],
)
def test_what_calls_may_do_is_in_their_arguments(machine, name, allowed, refused):
  for arguments in allowed:
    assert call(machine, name, *arguments) == ALLOW, arguments
  for arguments in refused:
    assert call(machine, name, *arguments) == REFUSE, arguments


def test_a_machine_without_a_table_is_refused_by_its_name():
  with pytest.raises(KeyError, match="riscv64"):
    system_calls.numbers("riscv64")
