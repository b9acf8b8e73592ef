"""Machines as they are: no home, no name, no locks, no space, quotas, foreign packages, encodings."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.exceptions import WorkflowError
from snakemake.resources import Resources

from common.cli import UserError
from pipeline import machine, running
from tests.imports import ROOT
from tests.workflow import DEMO, clean_copy, environment

NOBODY = 54321  # a user that no passwd has


# --- a home and a name


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "to be put back")
        monkeypatch.delenv(name)
    return tmp_path


def unknown(uid: int) -> None:
    raise KeyError(f"getpwuid(): uid not found: {uid}")


@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_a_user_without_home_and_name(
    place: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    monkeypatch.setattr("pwd.getpwuid", unknown)
    if home:
        monkeypatch.setenv("HOME", home)
    machine.find_home()
    assert Path.home() == place / ".snakemake/home"
    assert (place / ".snakemake/home").is_dir()
    assert os.environ["USER"] == str(os.getuid())


def test_a_home_is_taken_as_it_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("USER", "somebody")
    machine.find_home()
    assert (Path.home(), os.environ["USER"]) == (place, "somebody")
    assert not (place / ".snakemake").exists()


def test_a_home_that_is_only_read_and_has_the_hubs_files(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / ".cache/huggingface").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    monkeypatch.setenv("HOME", str(place))
    machine.find_home()
    assert Path.home() == place


def test_a_run_of_nobody_who_has_no_home(tmp_path: Path) -> None:
    """Snakemake itself, which looks for both before it reads the Snakefile, as in a container."""
    nobody = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
    if not shutil.which("unshare") or subprocess.run([*nobody, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody be somebody else")
    folder = clean_copy(tmp_path / "copy")
    names = ("USER", "LOGNAME", "LNAME", "USERNAME")
    variables = {name: value for name, value in environment().items() if name not in names}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--quiet", *DEMO]
    done = subprocess.run(
        [*nobody, *command],
        cwd=folder,
        env=variables | {"HOME": "/proc/nonexistent"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / ".snakemake/home").is_dir()


# --- the lock


def refusing(code: int) -> object:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    monkeypatch.setattr("fcntl.flock", refusing(code))
    running.hold(tmp_path / "new/run.lock")
    assert f"{tmp_path}/new is on a file system without locks" in capsys.readouterr().err


@pytest.mark.parametrize("call", ["pathlib.Path.mkdir", "pathlib.Path.open", "os.write"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_lock_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    monkeypatch.setattr(call, refusing(code))
    with pytest.raises(UserError) as error:
        running.hold(tmp_path / "run.lock")
    monkeypatch.undo()
    assert str(error.value).startswith(
        f"{tmp_path}/run.lock cannot be written ({os.strerror(code)})"
    )


def test_a_full_disk_before_the_first_job(tmp_path: Path) -> None:
    """As it is: /dev/full takes no byte."""
    (tmp_path / "run.lock").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot be written \((No space|Invalid)"):
        running.hold(tmp_path / "run.lock")


# --- foreign packages


def test_another_openvino_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python/openvino").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", f"/nonexistent{os.pathsep}{tmp_path}/python")
    with pytest.raises(WorkflowError, match=r"/python, whose openvino would be taken in place"):
        machine.settle()


def test_other_libraries_of_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "libopenvino.so.2520").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    with pytest.raises(WorkflowError, match=r"LD_LIBRARY_PATH names .*, whose OpenVINO would be"):
        machine.settle()


def test_this_environment_and_other_packages_may_be_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rclpy").mkdir()
    site = Path(pytest.__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{tmp_path}")
    machine.refuse_foreign_packages()


@pytest.mark.parametrize("package", ["runtime", "evaluation", "compilation.openvino"])
def test_a_module_alone_names_another_openvino(tmp_path: Path, package: str) -> None:
    (tmp_path / "openvino").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", f"import {package}"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: PYTHONPATH names {tmp_path}, whose openvino would be")
    assert len(done.stderr.splitlines()) == 1


# --- encodings


def test_a_locale_that_cannot_write_all_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    with pytest.raises(WorkflowError, match=r"in iso8859-1 .*`export PYTHONUTF8=1`"):
        machine.settle()


# --- CPUs


def cgroups(root: Path, files: dict[str, str], process: str) -> float:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content + "\n")
    (root / "process").write_text(process)
    return machine.quota(root, root / "process")


V1 = "4:memory:/docker/x\n1:cpu,cpuacct:/docker/x\n"


@pytest.mark.parametrize(
    ("files", "process", "cpus"),
    [
        ({"cpu.max": "150000 100000"}, "0::/\n", 1.5),
        ({"cpu.max": "max 100000"}, "0::/\n", float("inf")),
        ({"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b\n", 2),
        ({"cpu.max": "50000 100000"}, "0::/that/of/the/host\n", 0.5),
        ({}, "0::/\n", float("inf")),
        (
            {
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "300000",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000",
            },
            V1,
            3,
        ),
        (
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            V1,
            float("inf"),
        ),
    ],
)
def test_a_quota(tmp_path: Path, files: dict[str, str], process: str, cpus: float) -> None:
    assert cgroups(tmp_path, files, process) == cpus


def test_no_cgroups(tmp_path: Path) -> None:
    assert machine.quota(tmp_path, tmp_path / "none") == float("inf")


@pytest.mark.parametrize(("granted", "used"), [(0.5, 1), (2.5, 3), (4, 4), (float("inf"), 4)])
def test_threads_follow_the_quota(
    monkeypatch: pytest.MonkeyPatch, granted: float, used: int
) -> None:
    found = {2, 3, 5, 7}
    chosen: list[set[int]] = [found]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: found)
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cpus: chosen.append(set(cpus)))
    monkeypatch.setattr(machine, "quota", lambda: granted)
    machine.follow_quota()
    assert len(chosen[-1]) == used and chosen[-1] <= found


@pytest.mark.parametrize(
    ("asked", "granted", "used"), [(64, 1.5, 2), (2, 2, 2), (8, float("inf"), 8), (None, 2, None)]
)
def test_cores_follow_the_quota(
    monkeypatch: pytest.MonkeyPatch, asked: int | None, granted: float, used: int | None
) -> None:
    monkeypatch.setattr(machine, "quota", lambda: granted)
    resources = Resources()
    resources["_cores"] = asked
    machine.limit_cores(resources)
    assert resources["_cores"].value == used


# --- memory


@pytest.mark.parametrize(
    ("files", "process", "limit"),
    [
        ({"memory.max": "4000000000"}, "0::/\n", 4e9),
        ({"memory.max": "max"}, "0::/\n", None),
        ({"a/memory.max": "3000000000", "a/b/memory.max": "max"}, "0::/a/b\n", 3e9),
        ({"memory/docker/x/memory.limit_in_bytes": "2000000000"}, V1, 2e9),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, V1, None),
        ({}, "0::/\n", None),
    ],
)
def test_memory_follows_the_cgroup(
    tmp_path: Path, files: dict[str, str], process: str, limit: float | None
) -> None:
    cgroups(tmp_path, files, process)
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert machine.memory(tmp_path, tmp_path / "process") == min(limit or whole, whole)


@pytest.mark.parametrize(
    ("given", "nodes", "stated"), [(None, None, 8000), (500, None, 500), (None, 50, None)]
)
def test_jobs_share_the_memory_of_the_machine_that_they_run_on(
    monkeypatch: pytest.MonkeyPatch, given: int | None, nodes: int | None, stated: int | None
) -> None:
    monkeypatch.setattr(machine, "memory", lambda: 8e9)
    resources = Resources()
    resources["_nodes"] = nodes
    if given:
        resources["mem_mb"] = given
    machine.limit_memory(resources)
    assert (resources["mem_mb"].value if "mem_mb" in resources else None) == stated
