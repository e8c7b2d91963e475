"""PostgreSQL with a data folder of its own; Debian's own cluster, where there is one, is not touched."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from deploy.stack.part import Part, StackError
from deploy.stack.programs import POSTGRES_USER, postgres_programs, with_this_process
from workers.children import ChildError
from workers.devserver import LOOPBACK

USER = "temporal"
CONNECTIONS = 200
"""The four services of the server have 20 each to either database."""
UNSAFE = ("fsync=off", "full_page_writes=off")
"""Not ``synchronous_commit=off``: that loses what was committed in the last moments with the server's own death."""
STARTS = 40
START_AGAIN = 0.25
"""Seconds. After a kill the server starts again only when the last of its former processes has seen that."""


class Postgres(Part):
    """The database of the Temporal server.

    Without ``durable`` it survives its own crash and no loss of power: for tests alone.
    """

    name = "PostgreSQL server"
    # The fast end: who is connected is cut off, nothing that was committed is lost.
    ends_by = signal.SIGINT
    as_postgres = True

    def __init__(self, folder: Path, log: Path, port: int, *, durable: bool = True) -> None:
        """Take where its data and its log are, and where it listens."""
        super().__init__(folder, log)
        self.port = port
        self.durable = durable

    @property
    def data(self) -> Path:
        """What initdb makes."""
        return self.folder / "data"

    @property
    def password_file(self) -> Path:
        """The password of the one user, for that user's and root's eyes."""
        return self.folder / "password"

    @property
    def password(self) -> str:
        """The password."""
        return self.password_file.read_text().strip()

    def argv(self) -> list[str]:
        """Return how it is started: it is reached by TCP on this machine alone."""
        settings = [f"listen_addresses={LOOPBACK}", f"max_connections={CONNECTIONS}", "unix_socket_directories="]
        settings += [] if self.durable else UNSAFE
        options = [option for each in settings for option in ("-c", each)]
        return [str(postgres_programs() / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]

    async def answers(self) -> bool:
        """Ask PostgreSQL's own program."""
        argv = [str(postgres_programs() / "pg_isready"), "--quiet", "-h", LOOPBACK, "-p", str(self.port)]
        return await (await asyncio.create_subprocess_exec(*argv)).wait() == 0

    async def start(self) -> None:
        """Start it, more than once if need be. Raises ChildError."""
        for others in reversed(range(STARTS)):
            try:
                await super().start()
                break
            except StackError:
                raise
            except ChildError as error:
                if not others or "shared memory" not in str(error):
                    raise
                await asyncio.sleep(START_AGAIN)

    async def prepare(self) -> None:
        """Make the data folder, whole or not at all."""
        await super().prepare()
        if self.data.exists():
            return
        if os.geteuid() == 0:
            shutil.chown(self.folder, POSTGRES_USER, POSTGRES_USER)
        self._check_reachable()
        self._write_password()
        building = self.folder / "data.new"
        shutil.rmtree(building, ignore_errors=True)
        await self._run(
            [
                *(str(postgres_programs() / "initdb"), "--pgdata", str(building), "--username", USER),
                *("--encoding", "UTF8", "--locale", "C.UTF-8", "--auth", "scram-sha-256"),
                *("--pwfile", str(self.password_file)),
                *([] if self.durable else ["--no-sync"]),
            ]
        )
        building.rename(self.data)

    def _check_reachable(self) -> None:
        argv = with_this_process(["test", "-w", str(self.folder)], "KILL", as_postgres=True)
        if subprocess.run(argv, check=False).returncode:  # noqa: S603 - a fixed program and our own folder
            raise StackError(
                f"the user {POSTGRES_USER}, as whom PostgreSQL runs, cannot reach {self.folder}: open the folders above"
                " it to others (chmod o+x), or choose another by --folder, such as /var/lib/sealflow"
            )

    def _write_password(self) -> None:
        self.password_file.unlink(missing_ok=True)
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(secrets.token_urlsafe())
        if os.geteuid() == 0:
            shutil.chown(self.password_file, POSTGRES_USER, POSTGRES_USER)

    async def _run(self, argv: list[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *with_this_process(argv, "TERM", as_postgres=True),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            raise StackError(f"{argv[0]} ended with status {process.returncode}:\n{said.decode(errors='replace')}")
