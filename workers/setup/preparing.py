"""``sealflow store init PATH``: prepares a thread's location, or a permanent store."""

from __future__ import annotations

import json
from pathlib import Path

import click

from workers.operate.running import fail


@click.group()
def store() -> None:
    """Prepare the folders of a worker."""


@store.command("init")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--attached", is_flag=True, help="A permanent store, not a thread's location.")
@click.option("--name", help="The store's name, by which the manager knows it; its path if not given.")
@click.option("--readonly", is_flag=True, help="The store is only read.")
@click.option("--hot", is_flag=True, help="Write an example of a thread's config.toml too.")
def init_command(path: Path, *, attached: bool, name: str | None, readonly: bool, hot: bool) -> None:
    """Make the folders and files of a thread's location at PATH, or of a store; say what to add to the worker's file.

    What is there already is left as it is; a folder that holds something else is refused.
    """
    from sealing.stores.prepare import UnfitError, prepare_location, prepare_store  # noqa: PLC0415 - slow to import

    if not attached and (name is not None or readonly):
        raise click.UsageError("--name and --readonly are a store's: give --attached too")
    if attached and hot:
        raise click.UsageError("--hot is a thread's location's")
    folder = path.expanduser().absolute()
    try:
        if attached:
            name, made = prepare_store(folder, name, readonly=readonly)
        else:
            made = prepare_location(folder, hot=hot)
    except UnfitError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{folder} cannot be prepared: {error}")
    click.echo("\n".join([f"made {each}" for each in made] or [f"{folder} was ready already"]))
    click.echo("\nadd to the worker's file:\n")
    click.echo("\n".join(_lines(folder, name, attached=attached, readonly=readonly)))


def _lines(folder: Path, name: str | None, *, attached: bool, readonly: bool) -> list[str]:
    """Return the lines of TOML."""
    location = f"location = {json.dumps(str(folder), ensure_ascii=False)}"
    if not attached:
        return ["[[sealing_thread]]", location]
    named = f"name = {json.dumps(name, ensure_ascii=False)}"
    return ["[[attached]]", named, location, *(["readonly = true"] if readonly else [])]
