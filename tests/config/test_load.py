"""A configuration that is right is read whole, with the defaults of the reference."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from sealing.config import STAGES, Config, Sealing, load
from tests.config.files import Writer, everything


def test_the_least_file_has_the_defaults(write: Writer, tmp_path: Path) -> None:
    """A manager and one folder are enough; the rest is as documented."""
    config = load(write(f'location = "{tmp_path}"'))
    assert config.warnings == ()
    assert config.worker.name == socket.gethostname()
    assert (config.worker.rpc_server.host, config.worker.rpc_server.port) == ("127.0.0.1", 17890)
    assert config.manager.url == "http://127.0.0.1:1789"
    assert config.sealing == Sealing(max_retries=5, seal_interval=timedelta(seconds=30), request_task_max_retries=3)
    assert config.sealing_thread[0].plan == "sealer"
    assert (config.temporal.address, config.temporal.namespace) == ("127.0.0.1:7233", "default")
    assert config.temporal.task_queue == "sealing"
    settings = config.thread_settings(0)
    assert settings.recover_interval == timedelta(seconds=60)
    assert settings.rpc_polling_interval == timedelta(seconds=30)
    assert settings.expired_ticket == "rewind"
    assert config.sealing_of(0).allowed_proof_types == ()


def test_a_file_with_every_key_starts(tmp_path: Path) -> None:
    """Every key of the other worker and every one of ours is known, and those in use arrive."""
    config = load(everything(tmp_path))
    assert [note for note in config.notes if note.unknown] == []
    assert config.worker.name == "sealer-1"
    assert config.manager.rpc_client.headers == {"Authorization": "Bearer abc"}
    assert config.manager.piece_token == "abc"  # noqa: S105, a test's own
    assert config.processors.limits().concurrent == {"pc1": 2, "pc2": 1}
    assert config.processors.time_limit == {"pc1": timedelta(hours=12)}
    assert config.processors.of("pc2")[0].envs == {"CUDA_VISIBLE_DEVICES": "0"}
    assert config.processors.of("pc2")[0].args == ("processor", "pc2")
    assert config.processors.of("c1") == ()
    assert [store.name for store in config.attached] == ["store-1", str(tmp_path / "archive"), "old"]
    assert config.attached[1].readonly
    assert config.temporal.tls_cert_file == tmp_path / "cert.pem"


def test_a_thread_overrides_the_common_settings(tmp_path: Path) -> None:
    """A key below a thread's ``sealing`` is that thread's alone; the others stay the common ones."""
    config = load(everything(tmp_path))
    common, own = config.thread_settings(0), config.thread_settings(1)
    assert (common.max_retries, own.max_retries) == (4, 9)
    assert (config.sealing_of(0).seal_interval, config.sealing_of(1).seal_interval) == (
        timedelta(seconds=10),
        timedelta(minutes=1),
    )
    assert own.recover_interval == common.recover_interval == timedelta(seconds=20)
    assert own.min_deal_space == 8 << 30
    assert own.expired_ticket == "park"
    assert own.heartbeat_timeout == timedelta(seconds=7)
    assert config.sealing_of(0).allowed_proof_types == (5, 10, 8, 13)
    assert config.sealing_of(1).allowed_proof_types == (5, 10)


def test_every_stage_can_have_a_processor(tmp_path: Path) -> None:
    """A stage that limits can name can have a processor too."""
    processors = load(everything(tmp_path)).processors
    assert {stage for stage in STAGES if processors.of(stage)} == {"pc2"}


def test_the_configuration_cannot_be_changed(tmp_path: Path) -> None:
    """What was checked stays what is used."""
    config = load(everything(tmp_path))
    with pytest.raises(ValueError, match="frozen"):
        config.sealing.max_retries = 1  # type: ignore[misc]


def test_keys_without_effect_are_told(tmp_path: Path) -> None:
    """Whoever sets a key that does nothing, or counts no more beside its newer name, reads why; and no other is."""
    notes = {note.key: note.why for note in load(everything(tmp_path)).notes}
    assert notes.pop("sealing.request_task_max_retries").startswith("no effect: a thread asks until there is a task")
    assert notes.pop("processors.limit") == "ignored: concurrent, its newer name, is there too"
    assert set(notes) == {
        "ScanPersistStores",
        "sealing_daemons",
        "worker.local_pieces_dir",
        "worker.scan_persist_stores[0]",
        "sealing.verify_after_pc2",
        "processors.pc2[0].weight",
    }


@pytest.mark.parametrize(
    ("extra", "warning"),
    [
        ("plam = 'sealer'", "sealing_thread[0].plam: unknown key, ignored; did you mean plan?"),
        (
            "sealing.max_retires = 3",
            "sealing_thread[0].sealing.max_retires: unknown key, ignored; did you mean max_retries?",
        ),
        ("[sealling]\nx = 1", "sealling: unknown key, ignored; did you mean sealing?"),
        (
            "[processors.limitation.concurrent]\npc_1 = 2",
            "processors.limitation.concurrent.pc_1: unknown key, ignored; did you mean pc1?",
        ),
        ("[[processors.pc1]]\nbinn = 'x'", "processors.pc1[0].binn: unknown key, ignored; did you mean bin?"),
        ("[worker]\nzzzzzz = 1", "worker.zzzzzz: unknown key, ignored"),
    ],
)
def test_an_unknown_key_is_a_warning(write: Writer, tmp_path: Path, extra: str, warning: str) -> None:
    """A key that nobody knows does not stop the worker; the nearest known name is offered."""
    (note,) = load(write(f'location = "{tmp_path}"\n{extra}')).notes
    assert note.unknown
    assert f"{note.key}: {note.why}" == warning
    assert str(note) == f"line {note.line}: {warning}"


def test_a_lock_that_nobody_has_is_noted(write: Writer, tmp_path: Path) -> None:
    """A name in ``locks`` that ``ext_locks`` has not keeps nothing apart, as with the other worker."""
    text = f'location = "{tmp_path}"\n[processors.ext_locks]\ngpu = 1\n[[processors.c2]]\nlocks = ["gpu", "gpu2"]'
    (note,) = load(write(text)).notes
    assert str(note) == "line 7: processors.c2[0].locks[1]: is no lock of processors.ext_locks: nothing waits for it"


@pytest.mark.parametrize("size", ["32GiB", "32 GiB", "34359738368"])
def test_a_sector_size_in_any_spelling(write: Writer, tmp_path: Path, size: str) -> None:
    """Sizes are read as the other worker reads them."""
    (tmp_path / "tree").touch()
    text = f'sealing.allowed_sizes = ["{size}"]\n[processors.static_tree_d]\n"{size}" = "{tmp_path}/tree"'
    config = load(write(f'location = "{tmp_path}"\n{text}'))
    assert config.sealing_of(0).allowed_sizes == ("32GiB",)
    assert config.processors.static_tree_d == {"32GiB": tmp_path / "tree"}


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    """A configuration in a log shows neither tokens nor headers."""
    config: Config = load(everything(tmp_path))
    assert "abc" not in repr(config)
