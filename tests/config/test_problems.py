"""A configuration that is wrong is refused with every problem: the file, the key, the value, what would be right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sealing.config import ConfigError, Problem, load
from tests.config.files import Writer


def problems(file: Path) -> list[Problem]:
    """Return the problems of a file that must have some."""
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert all(problem.file == file and str(problem) in str(caught.value) for problem in caught.value.problems)
    assert str(file) in str(caught.value)
    return list(caught.value.problems)


def the_problem(file: Path) -> Problem:
    """Return the only problem of a file."""
    (problem,) = problems(file)
    return problem


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('plan = "frob"', ("sealing_thread[0].plan", '"frob"', "no plan has this name; supported: sealer")),
        ('plan = "rebuild"', ("sealing_thread[0].plan", '"rebuild"', "rebuilding sectors is not supported")),
        ('plan = "unseal"', ("sealing_thread[0].plan", '"unseal"', "unsealing is not supported")),
        ('plan = "wdpost"', ("sealing_thread[0].plan", '"wdpost"', "window PoSt is not supported")),
        ('plan = "niporep"', ("sealing_thread[0].plan", '"niporep"', "non-interactive PoRep is not supported")),
        ("sealing.max_retries = '5'", ("sealing_thread[0].sealing.max_retries", '"5"', "write a whole number")),
        ("sealing.max_retries = -1", ("sealing_thread[0].sealing.max_retries", "-1", "at least 0")),
        ("sealing.max_retries = true", ("sealing_thread[0].sealing.max_retries", "true", "whole number")),
        ("sealing.enable_deals = 1", ("sealing_thread[0].sealing.enable_deals", "1", "write true or false")),
        ("sealing.seal_interval = 30", ("sealing_thread[0].sealing.seal_interval", "30", "such as")),
        ("sealing.seal_interval = 'soon'", ("sealing_thread[0].sealing.seal_interval", '"soon"', "such as")),
        ("sealing.min_deal_space = 'much'", ("sealing_thread[0].sealing.min_deal_space", '"much"', "such as")),
        ("sealing.allowed_sizes = ['3KiB']", ("sealing_thread[0].sealing.allowed_sizes[0]", '"3KiB"', "one of 2KiB,")),
        ("sealing.allowed_sizes = '2KiB'", ("sealing_thread[0].sealing.allowed_sizes", '"2KiB"', "write a list")),
        ("sealing.allowed_miners = ['a']", ("sealing_thread[0].sealing.allowed_miners[0]", '"a"', "a whole number")),
        ("sealing = 3", ("sealing_thread[0].sealing", "3", "write a table")),
        ("[worker]\nname = ''", ("worker.name", '""', "1 to 200 bytes")),
        ("[worker]\nname = 'a/b'", ("worker.name", '"a/b"', "without spaces, slashes")),
        ("[worker]\nname = 'a b'", ("worker.name", '"a b"', "without spaces, slashes")),
        ("[worker]\nname = '..'", ("worker.name", '".."', "1 to 200 bytes")),
        ("[worker]\nname = 'sealing'", ("worker.name", '"sealing"', "the fleet's queue")),
        ("[worker]\nrpc_server.port = -1", ("worker.rpc_server.port", "-1", "at least 0")),
        (
            "[worker]\nrpc_server.allowed_addresses = ['10.0.0.5/8']",
            ("worker.rpc_server.allowed_addresses[0]", '"10.0.0.5/8"', 'such as "10.0.0.5" or "10.0.0.0/24"'),
        ),
        (
            "[worker]\nrpc_server.allowed_addresses = ['0.0.0.0/0']",
            ("worker.rpc_server.allowed_addresses[0]", '"0.0.0.0/0"', "is everybody"),
        ),
        (
            "[worker]\nrpc_server.allowed_addresses = ['manager']",
            ("worker.rpc_server.allowed_addresses[0]", '"manager"', "an IP address or a network"),
        ),
        (
            "[worker]\nrpc_server.token_file = '/none'",
            ("worker.rpc_server.token_file", '"/none"', "is no file that this user can read"),
        ),
        (
            "[worker]\nrpc_server.token_env = 'a secret'",
            ("worker.rpc_server.token_env", '"a secret"', "not what it holds"),
        ),
        ("[metrics]\nhttp_listen = '9000'", ("metrics.http_listen", '"9000"', "a host and a port")),
        ("[temporal]\naddress = 'x'", ("temporal.address", '"x"', "a host and a port")),
        ("[temporal]\napi_key_file = '/none'", ("temporal.api_key_file", '"/none"', "is no file")),
        (
            "[temporal]\naddress = 'temporal.example:7233'\napi_key_file = '/proc/sys/kernel/ostype'",
            ("temporal.tls", "", "or the key travels in plain"),
        ),
        (
            "[temporal]\napi_key_file = '/proc/version'",
            ("temporal.api_key_file", '"/proc/version"', "holds something else"),
        ),
        ("[policy]\nexpired_ticket = 'x'", ("policy.expired_ticket", '"x"', "'rewind', 'park' or 'abort'")),
        ("[processors]\nprogram = '/none'", ("processors.program", '"/none"', "make setup")),
        ("[[processors.pc1]]\nbin = '/none'", ("processors.pc1[0].bin", '"/none"', "is no program that this user")),
        ("[processors.static_tree_d]\n2KiB = '/none'", ("processors.static_tree_d.2KiB", '"/none"', "is no file")),
        ("[processors.limitation.concurrent]\npc1 = 0", ("processors.limitation.concurrent.pc1", "0", "at least 1")),
        (
            "[[processors.pc2]]\ncgroup.cpuset = '0-x'",
            ("processors.pc2[0].cgroup.cpuset", '"0-x"', "write a list of CPUs"),
        ),
        ("[processors.limit]\npc1 = -1", ("processors.limit.pc1", "-1", "at least 1")),
        ("[processors.time_limit]\npc1 = '1'", ("processors.time_limit.pc1", '"1"', "such as")),
        ("[[attached]]\nname = 's'", ("attached[0].location", "", "is needed; add it")),
        ("[[attached]]", ("attached[0].location", "", "is needed; add it")),
        ("[[attached]]\nlocation = '/none'", ("attached[0].location", '"/none"', "is not there")),
    ],
)
def test_wrong_values(write: Writer, tmp_path: Path, keys: str, expected: tuple[str, str, str]) -> None:
    """Each wrong value is one problem that says which key, its value, and what would be right."""
    problem = the_problem(write(f'location = "{tmp_path}"\n{keys}'))
    key, value, right = expected
    assert (problem.key, problem.value) == (key, value)
    assert right in problem.right


def test_an_unknown_key_is_a_problem_where_all_is_to_be_right(write: Writer, tmp_path: Path) -> None:
    """``strict`` refuses it, with the nearest known name, or tells to remove it; without it the file starts."""
    file = write(f'location = "{tmp_path}"\nplam = "sealer"\nzzz = 1')
    assert len(load(file).notes) == 2
    with pytest.raises(ConfigError) as wrong:
        load(file, strict=True)
    assert [str(problem) for problem in wrong.value.problems] == [
        'line 4: sealing_thread[0].plam = "sealer": unknown key; did you mean plan?',
        "line 5: sealing_thread[0].zzz = 1: unknown key; remove it",
    ]


def test_problems_are_in_the_order_of_the_lines(write: Writer) -> None:
    """Whoever found them; what is missing altogether comes last."""
    text = write('location = "/none"\n[worker]\nname = 3\n[sealing]\nmax_retries = "x"').read_text()
    file = write("")
    file.write_text(text.partition("\n")[2])
    assert [problem.line for problem in problems(file)] == [2, 4, 6, None]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (f"x = {'[' * 200}{']' * 200}", "more than 30 lists and tables in each other"),
        (f"x = {'[' * 5000}{']' * 5000}", "more than 30 lists and tables in each other"),
        (f"x = 1\n{'a.' * 200_000}b = 1", "holds more than 30 lists and tables in each other"),
        (f"x = {{{'a.' * 200}b = 1}}", "more than 30 lists and tables in each other"),
        ("#" * (1 << 20) + "\n", "is larger than 1048576 bytes"),
        (f"x = 0x{'f' * 9000}", "a number of more than 64 bits"),
        (f"x = {'9' * 5000}", "is not valid TOML"),
        ("[worker]\nname = '\ufeff'\nx", "is not valid TOML"),
    ],
)
def test_files_beyond_all_bounds(tmp_path: Path, text: str, right: str) -> None:
    """Whatever is in a file, it is refused with a sentence."""
    file = tmp_path / "worker.toml"
    file.write_text(text)
    assert right in the_problem(file).right


def test_a_file_saved_by_an_editor_of_another_system(write: Writer, tmp_path: Path) -> None:
    """A byte order mark and its line ends are no obstacle, and the lines are counted right."""
    file = write(f'location = "{tmp_path}"\nplan = "x"')
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert the_problem(file).line == 4


def test_unreadable_toml(tmp_path: Path) -> None:
    """What is no TOML is refused with the line."""
    file = tmp_path / "worker.toml"
    file.write_text("[worker]\nname = \n")
    problem = the_problem(file)
    assert problem.line == 2
    assert "is not valid TOML: Invalid value (column 8)" in problem.right


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused with their place."""
    file = tmp_path / "worker.toml"
    file.write_bytes(b"[worker]\nname = '\xff'\n")
    problem = the_problem(file)
    assert (problem.line, problem.right) == (2, "is not UTF-8 text at byte 17; save it as UTF-8")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A wrong path says so, and a folder too."""
    assert "No such file" in the_problem(tmp_path / "none.toml").right
    assert "directory" in the_problem(tmp_path).right


def test_an_empty_file(tmp_path: Path) -> None:
    """Both needed tables are asked for, at once."""
    file = tmp_path / "worker.toml"
    file.touch()
    assert [problem.key for problem in problems(file)] == ["sector_manager", "sealing_thread"]


def test_no_thread(tmp_path: Path) -> None:
    """A worker without a thread has nothing to do."""
    file = tmp_path / "worker.toml"
    file.write_text('sealing_thread = []\nsector_manager.rpc_client.addr = "http://h:1"\n')
    assert the_problem(file).right == "add a [[sealing_thread]] with the location of its folder"


def test_a_wrong_manager(tmp_path: Path) -> None:
    """A wrong address of the manager is shown with right ones."""
    file = tmp_path / "worker.toml"
    file.write_text(f'sector_manager.rpc_client.addr = "h"\n[[sealing_thread]]\nlocation = "{tmp_path}"\n')
    problem = the_problem(file)
    assert (problem.key, problem.value) == ("sector_manager.rpc_client.addr", '"h"')


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """A token of a wrong kind is a problem without its value."""
    file = tmp_path / "worker.toml"
    manager = '[sector_manager]\npiece_token = [12345]\nrpc_client.addr = "http://h:1"\n'
    file.write_text(f'{manager}[[sealing_thread]]\nlocation = "{tmp_path}"\n')
    assert "12345" not in str(the_problem(file))


def test_no_location(write: Writer) -> None:
    """A thread needs a folder."""
    assert str(the_problem(write(""))) == "line 2: sealing_thread[0].location: is needed; add it"


@pytest.mark.parametrize(
    ("location", "right"),
    [
        ("none", "is not there"),
        ("file", "is not a folder"),
        ("loop", "is not there"),
        ("", "path of a folder"),
        ("~nobody-here/x", "without ~"),
    ],
)
def test_locations_that_cannot_be_used(
    write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, right: str
) -> None:
    """A location must be a folder that is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    problem = the_problem(write(f'location = "{location}"'))
    assert (problem.key, problem.value) == ("sealing_thread[0].location", f'"{location}"')
    assert right in problem.right


def test_a_location_that_cannot_be_written(write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on which writing fails is refused with the system's reason. Root can write anywhere: hence the patch."""

    def refuse(**_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    problem = the_problem(write(f'location = "{tmp_path}"'))
    assert "cannot be written (Permission denied)" in problem.right


def test_the_check_of_writing_leaves_nothing(write: Writer, tmp_path: Path) -> None:
    """Trying to write leaves no file."""
    location = tmp_path / "location"
    location.mkdir()
    load(write(f'location = "{location}"'))
    assert list(location.iterdir()) == []


def test_the_same_location_twice(write: Writer, tmp_path: Path) -> None:
    """Two threads cannot share a folder, also not by a link or a detour."""
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "sub").mkdir()
    others = "".join(f'\n[[sealing_thread]]\nlocation = "{tmp_path}/{way}"' for way in ("link", "sub/.."))
    found = problems(write(f'location = "{tmp_path}"{others}'))
    assert [problem.key for problem in found] == ["sealing_thread[1].location", "sealing_thread[2].location"]
    assert all("is the folder of sealing_thread[0]" in problem.right for problem in found)


def test_two_stores_of_one_name(write: Writer, tmp_path: Path) -> None:
    """The manager knows a store by its name, which is its location when none is given."""
    stores = f'[[attached]]\nlocation = "{tmp_path}"\n' * 2
    problem = the_problem(write(f'location = "{tmp_path}"\n{stores}'))
    assert (problem.key, problem.value) == ("attached[1].name", f'"{tmp_path}"')


def test_half_a_pair_of_tls_files(write: Writer, tmp_path: Path) -> None:
    """A certificate needs its key."""
    file = write(f'location = "{tmp_path}"\n[temporal]\ntls_cert_file = "{tmp_path}/worker.toml"')
    assert str(the_problem(file)) == "line 4: temporal.tls_key_file: is needed with tls_cert_file; add it"


def test_a_host_whose_name_is_no_name(write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default name is checked like a given one."""
    monkeypatch.setattr("socket.gethostname", lambda: "a b")
    assert "is this host's name" in the_problem(write(f'location = "{tmp_path}"')).right


def test_all_problems_at_once(write: Writer) -> None:
    """Problems of kinds, of values and of folders come in one report."""
    file = write('location = "/none"\nplan = "x"\n[sealing]\nmax_retries = "x"\n[[attached]]\nlocation = "/none"')
    assert {problem.key for problem in problems(file)} == {
        "sealing_thread[0].location",
        "sealing_thread[0].plan",
        "sealing.max_retries",
        "attached[0].location",
    }
