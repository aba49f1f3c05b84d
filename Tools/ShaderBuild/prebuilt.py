"""Makes Shaders/Prebuilt.pack, or says whether it matches its sources. Called by Tools/shaders.

    prebuilt.py COMPILER NAME PACK [--check]

COMPILER is the shared library of glslang, NAME what the pack calls it. The kernels are those under the key "prebuilt" of
the lists Shaders/*/*.variants.json. Includes are put in place exactly as ShaderSources.assemble in Compiler/ does it: the
package's build compares hashes of that text.
"""

import base64
import ctypes
import itertools
import json
import pathlib
import re
import sys

SHADERS = pathlib.Path(__file__).resolve().parents[2] / "Shaders"
INCLUDE = re.compile(r'\s*#\s*include[^"]*"([^"]*)"')
HEADER = """\
# SPIR-V of kernels in GLSL that the compilers of distributions do not know. Made by Tools/shaders; do not edit.
"""


class Failure(Exception):
  """Messages of the form `file:line: error: text`."""


def variants():
  """(name, path of the shader, macros) of every prebuilt kernel, sorted."""
  found = []
  for file in SHADERS.glob("*/*.variants.json"):
    axes = json.loads(file.read_text(encoding="utf-8")).get("prebuilt")
    if axes is None:
      continue
    base = file.name.removesuffix(".variants.json")
    for words in itertools.product(*(sorted(axis.items()) for axis in axes)):
      name = ".".join([base] + [word for word, _ in words])
      found.append((name, f"{file.parent.name}/{base}.comp", [m for _, macros in words for m in macros]))
  return sorted(found)


def expand(path, place, stack, defines, order):
  """The text of a file with its includes in place; `order` numbers the files for #line."""
  file = SHADERS / path
  if not file.is_file():
    raise Failure(f"{place or f'Shaders/{path}:1'}: error: there is no file Shaders/{path}")
  if path in stack:
    raise Failure(f"{place}: error: includes form a cycle at {path}")
  if path not in order:
    order.append(path)
  number = order.index(path)
  out = [] if not stack else [f"#ifndef INCLUDED_{number}\n#define INCLUDED_{number}\n#line 1 {number}\n"]
  versioned = bool(stack)
  for at, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
    if match := INCLUDE.match(line):
      out.append(expand(match[1], f"Shaders/{path}:{at}", stack + [path], [], order))
      out.append(f"#line {at + 1} {number}\n")
      continue
    out.append(line + "\n")
    if not versioned and line.lstrip().startswith("#version"):
      versioned = True
      out += [f"#define {define}\n" for define in defines]
      out.append(f"#line {at + 1} {number}\n")
  if stack:
    out.append("#endif\n")
  return "".join(out)


def fnv(texts):
  """64-bit FNV-1a over texts, a zero byte behind each."""
  value = 0xCBF29CE484222325
  for byte in b"".join(text.encode() + b"\0" for text in texts):
    value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
  return f"{value:016x}"


class Compiler:
  """glslang behind the C entry point `glslang_compile_1_2`."""

  Sink = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)

  class Request(ctypes.Structure):
    """Its argument; the first member is the structure's own size."""

  Request._fields_ = [
    ("size", ctypes.c_size_t), ("path", ctypes.c_char_p), ("begin", ctypes.c_void_p), ("end", ctypes.c_void_p),
    ("diagnostics", Sink), ("diagnostics_data", ctypes.c_void_p), ("output", Sink), ("output_data", ctypes.c_void_p),
    ("stage", ctypes.c_int), ("action", ctypes.c_uint), ("optimization", ctypes.c_uint), ("debug", ctypes.c_uint),
    ("target", ctypes.c_char_p), ("version", ctypes.c_int * 3), ("entry", ctypes.c_char_p),
  ]
  COMPUTE = 6

  def __init__(self, library):
    self.library = ctypes.CDLL(str(library))
    self.library.glslang_validateSPIRV.restype = ctypes.c_bool

  def spirv(self, name, path, text, order):
    """SPIR-V 1.5 of a text, or 1.6 for matrices of whole workgroups, whose extension needs that; validated."""
    minor = 6 if ".workgroup." in name else 5
    source = text.encode()
    buffer = ctypes.create_string_buffer(source, len(source))
    output, log = bytearray(), bytearray()
    sinks = [self.Sink(lambda data, count, _, to=to: to.extend(ctypes.string_at(data, count))) for to in (log, output)]
    begin = ctypes.addressof(buffer)
    request = self.Request(
      size=ctypes.sizeof(self.Request), path=path.encode(), begin=begin, end=begin + len(source),
      diagnostics=sinks[0], output=sinks[1], stage=self.COMPUTE, version=(1, minor, 0), entry=b"main")
    if self.library.glslang_compile_1_2(ctypes.byref(request)) != 0 or not output:
      raise Failure("\n".join(self.messages(log.decode(), order)) or f"Shaders/{path}:1: error: {name} does not compile")
    words = ctypes.create_string_buffer(bytes(output), len(output))
    if not self.library.glslang_validateSPIRV(words, len(output) // 4):
      raise Failure(f"Shaders/{path}:1: error: {name} is not valid SPIR-V")
    return bytes(output)

  @staticmethod
  def messages(log, order):
    """`ERROR: 1:12: text` as `Shaders/Common/types.glsl:12: error: text`."""
    for line in log.splitlines():
      if match := re.match(r"ERROR: (\d+):(\d+): (.*)", line):
        yield f"Shaders/{order[min(int(match[1]), len(order) - 1)]}:{match[2]}: error: {match[3].strip()}"
      elif line.startswith("ERROR: ") and "compilation" not in line:
        yield f"Shaders/{order[0]}:1: error: {line.removeprefix('ERROR: ')}"


def pack(compiler, compiler_name):
  """The text of the pack."""
  parts = [HEADER, f"compiler {compiler_name}\n"]
  for name, path, defines in variants():
    order = []
    text = expand(path, None, [], defines, order)
    words = compiler.spirv(name, path, text, order)
    parts.append(f"kernel {name} {fnv([compiler_name, text])} {len(words) // 4}\n")
    encoded = base64.b64encode(words).decode()
    parts += [encoded[i:i + 120] + "\n" for i in range(0, len(encoded), 120)]
  return "".join(parts)


def main(library, name, target, *options):
  made = pack(Compiler(library), name)
  file = pathlib.Path(target)
  count = sum(line.startswith("kernel ") for line in made.splitlines())
  if file.is_file() and file.read_text(encoding="utf-8") == made:
    print(f"{target}: {count} kernels, as their sources are")
  elif "--check" in options:
    raise Failure(f"{target}: error: does not match its sources; run Tools/shaders")
  else:
    file.write_text(made, encoding="utf-8")
    print(f"{target}: {count} kernels written")


if __name__ == "__main__":
  try:
    main(*sys.argv[1:])
  except Failure as failure:
    sys.exit(str(failure))
