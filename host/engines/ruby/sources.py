#!/usr/bin/env python3
"""sources.py MRUBY WORK: makes in WORK what mruby's own build (rake, with ruby) makes, and prints the C sources to compile, one a line.

Needs `python-zig` on the path. In WORK: the table of symbols (mruby/presym), vm.c with the engine's hook, and library.c: the part of the
library that is written in Ruby, with prelude.rb and its like, as bytecode in the order in which it is loaded. It has no line numbers, so that
a backtrace names lines of the script only."""
import glob, os, re, subprocess, sys
from concurrent.futures import ThreadPoolExecutor

mruby, work = map(os.path.abspath, sys.argv[1:3])
here = os.path.dirname(os.path.abspath(__file__))
# In the order in which they are loaded.
GEMS = """compiler sprintf math struct data time random compar-ext enum-ext string-ext numeric-ext array-ext hash-ext range-ext proc-ext
symbol-ext object-ext objectspace fiber enumerator enum-lazy enum-chain toplevel-ext kernel-ext class-ext error catch metaprog method binding
proc-binding eval set pack bigint rational complex""".split()
GEMS = ["mruby-" + gem for gem in GEMS]
OURS = ["compat.rb", "regexp.rb", "json.rb", "prelude.rb"]
# Read where the engine has its own: floats, exactly.
LEFT_OUT = ["readfloat.c"]
OPERATORS = dict(zip(
    "! % & * + - / < > ^ ` | ~ != !~ && ** +@ -@ << <= == =~ >= >> [] || <=> === []=".split(),
    """not mod and mul add sub div lt gt xor tick or neg neq nmatch andand pow plus minus lshift le eq match ge rshift aref oror cmp eqq
    aset""".split()))
AFFIXES = {("@@", ""): ("CV", ""), ("@", ""): ("IV", ""), ("", "!"): ("", "_B"), ("", "?"): ("", "_Q"), ("", "="): ("", "_E"), ("", ""): ("", "")}


def gem(name, *parts):
    return sorted(glob.glob(os.path.join(mruby, "mrbgems", name, *parts)))


def flags():
    """What the sources are compiled with, as build.sh has it."""
    return os.environ["MRUBY_FLAGS"].split() + ["-w"]


def run(command, **more):
    done = subprocess.run(command, **more)
    if done.returncode != 0:
        sys.exit("failed: " + " ".join(command))
    return done.stdout


def scan(source):
    """The names that a source marks as known when it is compiled."""
    command = ["python-zig", "cc", "-target", "wasm32-wasi", "-E", "-P", "-DMRB_PRESYM_SCANNING", "-mexception-handling",
               "-D_WASI_EMULATED_SIGNAL", *flags(), source]
    text = run(command, stdout=subprocess.PIPE, text=True)
    found = set()
    for marked in re.findall(r"<@! (.*?) !@>", text, re.S):
        literals = re.findall(r'"((?:[^\\"]|\\.)*)"', marked)
        if literals:
            found.add("".join(literals).encode().decode("unicode_escape"))
    return found


def write_symbols(names):
    folder = work + "/mruby/presym"
    os.makedirs(folder, exist_ok=True)
    names = sorted((name for name in names if name), key=lambda name: (len(name), name))
    with open(folder + "/id.h", "w") as out:
        out.write("enum mruby_presym {\n")
        for number, name in enumerate(names, 1):
            parts = re.fullmatch(r"(@@|@)?([A-Za-z_]\w*)([!?=])?", name)
            affix = parts and AFFIXES.get((parts[1] or "", parts[3] or ""))
            if affix:
                out.write(f"  MRB_{affix[0]}SYM{affix[1]}__{parts[2]} = {number},\n")
            elif name in OPERATORS:
                out.write(f"  MRB_OPSYM__{OPERATORS[name]} = {number},\n")
        out.write("};\n#define MRB_PRESYM_MAX %d\n" % len(names))
    quoted = ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
    with open(folder + "/table.h", "w") as out:
        out.write("static const uint16_t presym_length_table[] = {%s};\n" % ",".join(str(len(name)) for name in names))
        out.write("static const char * const presym_name_table[] = {%s};\n" % ",".join(quoted))


def compiler(core):
    """mruby's compiler to bytecode, for the machine that builds."""
    mrbc = work + "/mrbc"
    sources = core + glob.glob(mruby + "/src/readfloat.c") + sorted(glob.glob(mruby + "/mrbgems/mruby-bin-mrbc/tools/mrbc/*.c"))
    run(["python-zig", "cc", "-O1", "-fno-sanitize=all", "-fno-strict-aliasing", "-DMRB_NO_PRESYM", *flags(), *sources, "-lm", "-o", mrbc])
    return mrbc


def write_library(mrbc, gems_in_c):
    rows = []
    with open(work + "/library.c", "w") as out:
        out.write('#include "library.h"\nvoid mrb_init_mrblib(mrb_state *mrb) {}\n')
        for name in gems_in_c:
            out.write(f"void mrb_{name}_gem_init(mrb_state *);\n")

        def ruby(name, files):
            if not files:
                return
            compiled = f"{work}/{name}.mrb"
            run([mrbc, "--remove-lv", "-o", compiled, *files])
            with open(compiled, "rb") as bytecode:
                # Bytecode is read from where it stands, as long as it is aligned.
                data = ",".join(map(str, bytecode.read()))
            out.write(f"static const _Alignas(8) unsigned char code_{len(rows)}[] = {{{data}}};\n")
            rows.append(f'{{"{name}", code_{len(rows)}, sizeof code_{len(rows)}, 0}}')

        ruby("core", sorted(glob.glob(mruby + "/mrblib/*.rb")))
        for name in GEMS:
            in_c = name.replace("-", "_")
            if in_c in gems_in_c:
                rows.append(f'{{"{name}", 0, 0, mrb_{in_c}_gem_init}}')
            ruby(name, gem(name, "mrblib", "*.rb"))
        rows.append('{"engine", 0, 0, engine_init}')
        ruby("prelude", [os.path.join(here, name) for name in OURS])
        out.write("const part_t library[] = {" + ",\n".join(rows) + ", {0, 0, 0, 0}};\n")


def patch_vm():
    """One count more an instruction, so that the engine can tell where a script is that does not end; what is rescued is `$!`; and calls of
    C in each other end while there is stack."""
    with open(mruby + "/src/vm.c") as source:
        text = source.read()
    changes = [
        ("#define CODE_FETCH_HOOK(mrb, irep, pc, regs)\n",
         "#define CODE_FETCH_HOOK(mrb, irep, pc, regs) if (--engine_instructions <= 0) engine_tick(mrb);\n"),
        ("        case MRB_TT_EXCEPTION:\n          exc = mrb_obj_value(mrb->exc);\n",
         "        case MRB_TT_EXCEPTION:\n          exc = mrb_obj_value(mrb->exc);\n          engine_rescued(mrb, exc);\n"),
        ("  struct mrb_context *c = mrb->c;\n  mrb_callinfo *ci = c->ci;\n\n  if (ci + 1 == c->ciend) {\n",
         "  struct mrb_context *c = mrb->c;\n  mrb_callinfo *ci = c->ci;\n\n"
         "  if (engine_stack_is_below(ENGINE_STACK_RESERVE)) mrb_exc_raise(mrb, mrb_obj_value(mrb->stack_err));\n  if (ci + 1 == c->ciend) {\n"),
    ]
    for known, changed in changes:
        if text.count(known) != 1:
            sys.exit("vm.c is not the one that is known: it lacks " + known)
        text = text.replace(known, changed)
    with open(work + "/vm.c", "w") as out:
        out.write('#include "library.h"\n' + text)


def main():
    os.makedirs(work, exist_ok=True)
    core = [source for source in sorted(glob.glob(mruby + "/src/*.c")) if os.path.basename(source) not in LEFT_OUT]
    core += gem("mruby-compiler", "core", "codegen.c") + gem("mruby-compiler", "core", "y.tab.c") + gem("mruby-bigint", "core", "bigint.c")
    in_c = {name: gem(name, "src", "*.c") for name in GEMS}
    gems_c = [source for sources in in_c.values() for source in sources]
    with ThreadPoolExecutor(2) as pool:
        names = set().union(*pool.map(scan, core + gems_c))
    write_symbols(names | set(OPERATORS))
    write_library(compiler(core), [name.replace("-", "_") for name, sources in in_c.items() if sources])
    patch_vm()
    core = [work + "/vm.c" if source.endswith("/src/vm.c") else source for source in core]
    print("\n".join(core + gems_c + [work + "/library.c"]))


main()
