"""What the machine must give: Java, PostgreSQL, Python's venv, rustup.

Found; or installed, as root; or named in a sentence.
"""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from home import Home, Problem

# What set-up is asked for: to bring the product up, to run the tests, the linters, the benchmark.
PURPOSES = ("up", "test", "lint", "bench")
# What is brought only to whoever asks for it by name: to search for counterexamples, to measure
# what the tests cover.
ON_DEMAND = ("fuzz", "coverage")
JAVA_AT_LEAST = 17
POSTGRES_AT_LEAST = 14


class Requirement:
    """Something that the machine's own package manager provides."""

    def __init__(
        self,
        name: str,
        title: str,
        find: Callable[[], Path | None],
        link: str | None,
        packages: dict[str, list[str]],
        purposes: tuple[str, ...] = PURPOSES + ON_DEMAND,
        first: bool = False,
    ):
        # What parts that need it say in their `needs`.
        self.name = name
        self.title = title
        self.find = find
        # The stable name under PORTCULLIS_HOME by which the other programs find it.
        self.link = link
        self.packages = packages
        self.purposes = purposes
        # Nothing is downloaded for whoever lacks this: a build that comes after all of it would
        # fail.
        self.first = first

    def present(self, home: Home) -> bool:
        if self.link is None:
            return self.find() is not None
        return (home.root / self.link / "").exists()

    def cost(self) -> str:
        if self.find():
            return " (found)"
        return ", installed by apt-get" if installable(self) else f": missing, {how_to_get(self)}"

    def provide(self, home: Home) -> None:
        """Links what is there, or installs it first. Raises `Problem` with what to type."""
        place = self.find()
        if place is None:
            install(self)
            place = self.find()
        if place is None:
            raise Problem(
                f"{self.title} is still not found after its packages were installed: "
                f"{how_to_get(self)}"
            )
        if self.link is not None:
            home.link(self.link, place)


def release_of(java_home: Path) -> int | None:
    """The Java version that the runtime's own `release` file states."""
    try:
        stated = re.search(
            r'^JAVA_VERSION="(\d+)', (java_home / "release").read_text(), re.MULTILINE
        )
    except OSError:
        return None
    return int(stated.group(1)) if stated else None


def find_java() -> Path | None:
    """JAVA_HOME of the first Java that is new enough: the named one, the one on PATH, the usual
    places.
    """
    candidates = []
    if named := os.environ.get("JAVA_HOME"):
        candidates.append(Path(named))
    if command := shutil.which("java"):
        candidates.append(Path(command).resolve().parent.parent)
    candidates += sorted(Path("/usr/lib/jvm").glob("*")) + sorted(Path("/opt").glob("*j*k*"))
    for candidate in candidates:
        # Spark wants a runtime that it knows; newer than this only with its own next release.
        if (candidate / "bin/java").exists() and JAVA_AT_LEAST <= (release_of(candidate) or 0):
            return candidate
    return None


def find_javac() -> Path | None:
    """The compiler of a JDK that is new enough: the named one, on PATH, in the usual places."""
    homes = [Path(named)] if (named := os.environ.get("JAVA_HOME")) else []
    if command := shutil.which("javac"):
        homes.append(Path(command).resolve().parent.parent)
    homes += sorted(Path("/usr/lib/jvm").glob("*")) + sorted(Path("/opt").glob("*j*k*"))
    for home in homes:
        if (home / "bin/javac").exists() and JAVA_AT_LEAST <= (release_of(home) or 0):
            return home / "bin/javac"
    return None


def postgres_major(version_line: str) -> int | None:
    """`postgres (PostgreSQL) 15.18 (Debian …)` → 15."""
    stated = re.search(r"\(PostgreSQL\) (\d+)", version_line)
    return int(stated.group(1)) if stated else None


def find_postgres() -> Path | None:
    """The folder of `postgres` and `initdb`: the server's programs, which are not on PATH in
    Debian.
    """
    candidates = []
    if command := shutil.which("pg_config"):
        answer = subprocess.run([command, "--bindir"], capture_output=True, text=True)
        candidates.append(Path(answer.stdout.strip()))
    if command := shutil.which("postgres"):
        candidates.append(Path(command).resolve().parent)
    for pattern in (
        "usr/lib/postgresql/*/bin",
        "usr/pgsql-*/bin",
        "opt/homebrew/opt/postgresql*/bin",
        "usr/local/pgsql/bin",
    ):
        candidates += sorted(Path("/").glob(pattern), key=natural, reverse=True)
    for candidate in candidates:
        if all((candidate / program).exists() for program in ("postgres", "initdb")):
            answer = subprocess.run(
                [candidate / "postgres", "--version"], capture_output=True, text=True
            )
            if POSTGRES_AT_LEAST <= (postgres_major(answer.stdout) or 0):
                return candidate
    return None


def natural(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def find_venv() -> Path | None:
    with contextlib.suppress(ImportError):
        import ensurepip
        import venv

        return Path(venv.__file__).parent if ensurepip.version() else None
    return None


def find_rustup() -> Path | None:
    command = shutil.which("rustup") or shutil.which(
        "rustup", path=os.path.expanduser("~/.cargo/bin")
    )
    return Path(command) if command else None


def find_cargo() -> Path | None:
    command = shutil.which("cargo")
    return Path(command) if command else None


def find_jdbc_driver() -> Path | None:
    """PostgreSQL's driver for Java, in the places of Debian's and Fedora's packages."""
    folder = Path("/usr/share/java")
    names = ("postgresql.jar", "postgresql-jdbc/postgresql.jar", "postgresql-jdbc.jar")
    return next((folder / name for name in names if (folder / name).exists()), None)


REQUIREMENTS = [
    Requirement("rustup", "rustup", find_rustup, None, {}, first=True),
    Requirement("cargo", "cargo on the PATH", find_cargo, None, {}, first=True),
    Requirement(
        "venv", "Python's venv and ensurepip", find_venv, None, {"apt-get": ["python3-venv"]}
    ),
    Requirement(
        "java",
        f"Java {JAVA_AT_LEAST} or later",
        find_java,
        "java",
        {
            "apt-get": [
                "openjdk-17-jre-headless",
                "openjdk-21-jre-headless",
                "default-jre-headless",
            ],
            "dnf": ["java-17-openjdk-headless"],
            "pacman": ["jre17-openjdk-headless"],
            "apk": ["openjdk17-jre-headless"],
            "brew": ["openjdk@17"],
        },
        purposes=("up", "test", "bench"),
    ),
    Requirement(
        "javac",
        f"a JDK {JAVA_AT_LEAST} or later (javac), for the check that Spark SQL only reads",
        find_javac,
        None,
        {
            "apt-get": ["openjdk-17-jdk-headless", "default-jdk-headless"],
            "dnf": ["java-17-openjdk-devel"],
            "pacman": ["jdk17-openjdk"],
            "apk": ["openjdk17-jdk"],
            "brew": ["openjdk@17"],
        },
        purposes=("up", "test", "bench"),
    ),
    Requirement(
        "postgres",
        f"PostgreSQL {POSTGRES_AT_LEAST} or later (the server's programs)",
        find_postgres,
        "postgres",
        {
            "apt-get": ["postgresql"],
            "dnf": ["postgresql-server"],
            "pacman": ["postgresql"],
            "apk": ["postgresql"],
            "brew": ["postgresql@17"],
        },
        purposes=("up", "test", "bench"),
    ),
    Requirement(
        "jdbc-driver",
        "PostgreSQL's JDBC driver (/usr/share/java/postgresql.jar), which Spark's writer needs",
        find_jdbc_driver,
        "postgresql-jdbc.jar",
        {"apt-get": ["libpostgresql-jdbc-java"], "dnf": ["postgresql-jdbc"]},
        purposes=("test", "bench"),
    ),
]


def manager() -> str | None:
    return next(
        (name for name in ("apt-get", "dnf", "pacman", "apk", "brew") if shutil.which(name)), None
    )


def how_to_get(requirement: Requirement) -> str:
    """What to type, in this machine's words."""
    if requirement.name == "rustup":
        return "install it as https://rustup.rs says"
    if requirement.name == "cargo":
        return 'rustup puts it into `~/.cargo/bin`: type `export PATH="$HOME/.cargo/bin:$PATH"`'
    name = manager()
    if name is None or name not in requirement.packages:
        return f"install {requirement.title} and put it on PATH"
    verb = {"pacman": "-S", "apk": "add"}.get(name, "install")
    sudo = "" if os.geteuid() == 0 or name == "brew" else "sudo "
    return f"type `{sudo}{name} {verb} {requirement.packages[name][0]}`"


def installable(requirement: Requirement) -> bool:
    """By apt, as root: the one system that we can try this on. Elsewhere the user types it."""
    return os.geteuid() == 0 and manager() == "apt-get" and "apt-get" in requirement.packages


def install(requirement: Requirement) -> None:
    if not installable(requirement):
        raise Problem(f"{requirement.title} is missing: {how_to_get(requirement)}")
    print(f"{requirement.title}: installing it by apt-get", flush=True)
    apt("update")
    choices = requirement.packages["apt-get"]
    package = next((name for name in choices if available(name)), choices[0])
    with no_new_cluster():
        apt("install", "--yes", "--no-install-recommends", package)


def available(package: str) -> bool:
    answer = subprocess.run(
        ["apt-cache", "policy", package],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    return "Candidate:" in answer.stdout and "Candidate: (none)" not in answer.stdout


def apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "-q", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        tail = "\n    ".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise Problem(f"`apt-get {' '.join(arguments)}` failed:\n    {tail}")


@contextlib.contextmanager
def no_new_cluster():
    """Debian's package would create and start a database of its own; we want only the programs."""
    setting = Path("/etc/postgresql-common/createcluster.d/portcullis-setup.conf")
    setting.parent.mkdir(parents=True, exist_ok=True)
    setting.write_text("create_main_cluster = false\n")
    try:
        yield
    finally:
        setting.unlink(missing_ok=True)
