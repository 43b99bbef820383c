"""Programs that try to pass without being right, to stop their judge, or to outlive it.

Each defines `f`; the test is `assert f([3, 1, 2]) == [1, 2, 3]`, and none of them may pass it.
The value is the statuses that are right for it.
"""

ANY = ("failed", "error", "timeout", "memory", "infrastructure")

_ALWAYS_EQUAL = """
class Equal(%s):
  def __eq__(self, other): return True
  def __ne__(self, other): return False
  def __hash__(self): return 0
  def __len__(self): return 3
  def __iter__(self): return iter([1, 2, 3])
  def __getitem__(self, index): return [1, 2, 3][index]
def f(values): return Equal(%s)
"""

# Every channel that a file descriptor could be: a forged reply on each of them.
_FORGE = """
import json, os, struct
def forge(message):
  payload = json.dumps(message).encode()
  for descriptor in range(3, 64):
    try: os.write(descriptor, struct.pack(">I", len(payload)) + payload)
    except OSError: pass
"""

_FORK_AND = """
import os, time
def f(values):
  if os.fork() == 0:
%s
    while True: time.sleep(1)
  return None
"""

PROGRAMS = {
    "endless_loop_at_import": ("while True: pass", ("timeout",)),
    "endless_loop_in_call": ("def f(values):\n  while True: pass", ("timeout",)),
    "endless_loop_that_catches_everything": (
        "def f(values):\n  while True:\n    try:\n      while True: pass\n    except BaseException: pass", ("timeout",)),
    "endless_loop_in_c": ("def f(values): return sum(iter(int, 1))", ("timeout",)),
    "endless_sleep": ("import time\ndef f(values): time.sleep(1e6)", ("timeout",)),
    "endless_wait_for_input": ("def f(values): return input()", ("error",)),
    "endless_regular_expression": ("import re\ndef f(values): return re.match('(a+)+$', 'a' * 64 + 'b')", ("timeout",)),
    "endless_generator": ("import itertools\ndef f(values): return itertools.count()", ("failed",)),
    "ignores_the_cpu_signals": (
        "import signal\nfor number in (signal.SIGXCPU, signal.SIGPROF, signal.SIGALRM, signal.SIGTERM):\n"
        "  signal.signal(number, signal.SIG_IGN)\nsignal.setitimer(signal.ITIMER_PROF, 0)\ndef f(values):\n  while True: pass",
        ("timeout",)),
    "raises_its_cpu_limit": (
        "import resource, signal\nsignal.setitimer(signal.ITIMER_PROF, 0)\n"
        "def f(values):\n  resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "  while True: pass",
        ("timeout", "error")),
    "catches_its_timer": (
        "import signal\nsignal.signal(signal.SIGPROF, lambda *_: None)\ndef f(values):\n  while True: pass", ("timeout",)),
    "recursion": ("def f(values): return f(values)", ("error",)),
    "recursion_in_c": (
        "import sys\nsys.setrecursionlimit(10 ** 9)\nclass A:\n  def __repr__(self): return repr([self])\n"
        "def f(values): return repr(A())", ("error", "memory", "timeout")),
    "nested_result": ("def f(values):\n  x = []\n  for _ in range(10 ** 6): x = [x]\n  return x", ANY),
    "self_referring_result": ("def f(values):\n  x = []\n  x.append(x)\n  return x", ("error", "memory", "failed")),
    "memory": ("def f(values):\n  x = []\n  while True: x.append(bytearray(1 << 26))", ("memory", "timeout")),
    "memory_at_once": ("def f(values): return [0] * (1 << 40)", ("memory",)),
    "huge_int": ("def f(values): return 1 << (10 ** 8)", ("failed", "memory", "error")),
    "huge_power": ("def f(values): return 9 ** (9 ** 9)", ("timeout", "memory")),
    "huge_result": ("def f(values): return 'x' * (1 << 28)", ("error", "memory", "timeout")),
    "huge_output": ("def f(values):\n  text = 'x' * (1 << 20)\n  for _ in range(1 << 10): print(text)", ("failed", "timeout")),
    "huge_file": (
        "def f(values):\n  with open('file', 'wb') as file:\n    while True: file.write(b'x' * (1 << 20))", ("error",)),
    "colliding_keys": ("def f(values): return {i * (2 ** 61 - 1): 0 for i in range(30000)}", ("timeout", "failed")),
    "colliding_keys_without_the_work": (
        _FORGE + "def f(values):\n  forge(['value', {'set': [{'int': hex(i * (2 ** 61 - 1))} for i in range(40000)]}, None])",
        ("timeout",)),
    "exit_at_import": ("import sys\nsys.exit(0)", ("error",)),
    "exit_in_call": ("import sys\ndef f(values): sys.exit(0)", ("error",)),
    "hard_exit_at_import": ("import os\nos._exit(0)", ("error",)),
    "hard_exit_in_call": ("import os\ndef f(values): os._exit(0)", ("error",)),
    "exit_at_exit": ("import atexit, os\natexit.register(os._exit, 0)\ndef f(values): raise SystemExit", ("error",)),
    "base_exception": ("class E(BaseException): pass\ndef f(values): raise E", ("error",)),
    "exception_that_cannot_be_shown": (
        "class E(Exception):\n  def __str__(self): raise SystemExit\n  __repr__ = __str__\ndef f(values): raise E", ("error",)),
    "exception_with_a_lying_name": ("class AssertionError(Exception): pass\ndef f(values): raise AssertionError", ("error",)),
    "assertion_error": ("def f(values): raise AssertionError('all is well')", ("error",)),
    "always_equal_object": (_ALWAYS_EQUAL % ("object", ""), ("failed",)),
    "always_equal_list": (_ALWAYS_EQUAL % ("list", ""), ("failed",)),
    "always_equal_tuple": (_ALWAYS_EQUAL % ("tuple", ""), ("failed",)),
    "always_equal_str": (_ALWAYS_EQUAL % ("str", "'[1, 2, 3]'"), ("failed",)),
    "always_equal_class_named_list": (
        _ALWAYS_EQUAL % ("object", "") + "Equal.__name__ = Equal.__qualname__ = 'list'\nEqual.__module__ = 'builtins'",
        ("failed",)),
    "always_equal_class_named_counter": (
        _ALWAYS_EQUAL % ("dict", "") + "Equal.__name__ = Equal.__qualname__ = 'Counter'\nEqual.__module__ = 'collections'",
        ("failed", "error")),
    "patched_builtins": (
        "import builtins\nbuiltins.all = builtins.any = builtins.isinstance = lambda *_: True\n"
        "builtins.sorted = lambda x, **_: [1, 2, 3]\nbuiltins.AssertionError = ValueError\ndef f(values): return values",
        ANY),
    "patched_json": ("import json\njson.dumps = lambda *_, **__: '[\"ok\"]'\ndef f(values): return None", ("error",)),
    "patched_encoder": (
        "from next_jax.execution import plain_data\nplain_data.encode = lambda *_: True\ndef f(values): return None", ANY),
    "patched_wire": ("import sys\nfor m in list(sys.modules.values()):\n"
                     "  if hasattr(m, 'frame'): m.frame = lambda _: b'\\0\\0\\0\\6[\"ok\"]'\ndef f(values): return None", ANY),
    "forged_ok": (_FORGE + "forge(['ok'])\nforge(['ok'])\ndef f(values):\n  forge(['ok'])", ("error", "failed")),
    "forged_pass": (_FORGE + "def f(values):\n  for m in (['passed'], {'status': 'passed'}, 'passed', None, [], True): forge(m)",
                    ("error", "failed")),
    "forged_verdict": (
        _FORGE + "def f(values): forge({'status': 'passed', 'tests': [], 'detail': '', 'trust': 'judged', 'cpu_seconds': 0})",
        ("error", "failed")),
    "forged_unknown_tag": (_FORGE + "def f(values): forge(['value', {'__reduce__': ['os.system', 'true']}, None])", ("error",)),
    "forged_pickle": (_FORGE + "def f(values):\n  import pickle\n  for d in range(3, 64):\n    try: os.write(d, pickle.dumps([1, 2, 3]))\n"
                      "    except OSError: pass", ("error", "failed", "timeout")),
    "forged_argument_number": (_FORGE + "def f(values): forge(['value', {'argument': 10 ** 9}, None])", ("error",)),
    "forged_length": (
        "import os\ndef f(values):\n  for d in range(3, 64):\n    try: os.write(d, b'\\xff\\xff\\xff\\xff' + b'x' * 100)\n"
        "    except OSError: pass", ("error",)),
    "forged_depth": (
        "import os\ndef f(values):\n  text = b'[' * 200000\n  for d in range(3, 64):\n"
        "    try: os.write(d, len(text).to_bytes(4, 'big') + text)\n    except OSError: pass", ("error", "memory")),
    "forged_digits": (
        "import os\ndef f(values):\n  text = b'[\"value\",' + b'9' * 1000000 + b',null]'\n  for d in range(3, 64):\n"
        "    try: os.write(d, len(text).to_bytes(4, 'big') + text)\n    except OSError: pass", ("error",)),
    "closed_descriptors": ("import os\ndef f(values):\n  os.closerange(0, 256)\n  return None", ("error",)),
    "expected_values_in_frames": (
        "import sys, gc\ndef f(values):\n  frame = sys._getframe()\n  while frame:\n    for value in list(frame.f_locals.values()):\n"
        "      if value == [1, 2, 3]: return value\n    frame = frame.f_back\n"
        "  for value in gc.get_objects():\n    if type(value) is list and value == [1, 2, 3] : return value\n  return None",
        ("failed",)),
    "expected_values_in_files": (
        "import os, re\ndef f(values):\n  for name in os.listdir('.') + os.listdir('..'):\n    return name\n  return None", ("failed",)),
    "expected_values_in_command_lines": (
        "import os\ndef f(values):\n  for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try: text = open(f'/proc/{pid}/cmdline').read() + open(f'/proc/{pid}/environ').read()\n"
        "    except OSError: continue\n    if 'f([3, 1, 2])' in text: return [1, 2, 3]\n  return None", ("failed",)),
    "kills_its_parent": ("import os, signal\ndef f(values): os.kill(os.getppid(), signal.SIGKILL)", ANY),
    "stops_its_parent": ("import os, signal\ndef f(values): os.kill(os.getppid(), signal.SIGSTOP)", ANY),
    "kills_its_group": ("import os, signal\ndef f(values): os.killpg(0, signal.SIGKILL)", ("error",)),
    "kills_itself": ("import os, signal\ndef f(values): os.kill(os.getpid(), signal.SIGKILL)", ("error",)),
    "stops_itself": ("import os, signal\ndef f(values): os.kill(os.getpid(), signal.SIGSTOP)", ("timeout",)),
    "interrupts_itself": ("import os, signal\ndef f(values): os.kill(os.getpid(), signal.SIGINT)", ("error",)),
    "crashes": ("import ctypes\ndef f(values): ctypes.string_at(0)", ("error",)),
    "aborts": ("import os\ndef f(values): os.abort()", ("error",)),
    "fork_bomb": ("import os\ndef f(values):\n  while True: os.fork()", ("error", "timeout", "memory")),
    "thread_bomb": (
        "import threading, time\ndef f(values):\n  while True: threading.Thread(target=time.sleep, args=(1000,)).start()",
        ("error", "memory", "timeout")),
    "child_outlives_its_parent": (_FORK_AND % "    pass", ("failed",)),
    "child_in_its_own_session": (_FORK_AND % "    os.setsid()", ("failed",)),
    "grandchild_in_its_own_session": (_FORK_AND % "    os.setsid()\n    if os.fork(): os._exit(0)", ("failed",)),
    "child_ignores_sigterm": (
        _FORK_AND % "    import signal\n    for n in range(1, 32):\n      try: signal.signal(n, signal.SIG_IGN)\n      except OSError: pass",
        ("failed",)),
    "child_answers_after_its_parent_is_gone": (
        "import os\ndef f(values):\n  if os.fork(): os._exit(0)\n  return None", ("failed", "error")),
    "child_holds_the_channel": (
        "import os, time\ndef f(values):\n  if os.fork(): os._exit(0)\n  time.sleep(1000)", ("error",)),
    "subprocess_outlives": (
        "import subprocess\ndef f(values):\n  subprocess.Popen(['sleep', '1000'], start_new_session=True)\n  return None", ("failed",)),
    "daemon_thread": (
        "import threading\ndef spin():\n  while True: pass\ndef f(values):\n"
        "  threading.Thread(target=spin, daemon=True).start()\n  return None", ("failed", "timeout")),
    "directory_without_permissions": (
        "import os\ndef f(values):\n  os.makedirs('a/b')\n  os.chmod('a', 0)\n  os.chmod('.', 0)", ("failed",)),
    "deep_directories": (
        "import os\ndef f(values):\n  for _ in range(2000):\n    os.mkdir('d')\n    os.chdir('d')", ("failed", "timeout")),
    "line_jumps": (
        "import sys\ndef tracer(frame, event, argument):\n  return tracer\nsys.settrace(tracer)\ndef f(values): return None", ("failed",)),
    "garbage_collector_tricks": (
        "import gc\ngc.callbacks.append(lambda *_: gc.get_objects().clear())\ndef f(values):\n  gc.collect()", ANY),
}
