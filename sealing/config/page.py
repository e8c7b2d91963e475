"""docs/config.md: every table and key, written from the models."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from sealing.config.fields import OURS, REFUSED_PLANS, STAGES, DefaultWords, Words
from sealing.config.keys import WITHOUT_EFFECT, inner_table
from sealing.config.model import Contents
from sealing.config.older import OLDER
from sealing.config.processors import Processor
from sealing.config.tables import OurTable, Table
from sealing.config.threads import Sealing
from sealing.proofs import SECTOR_SIZES
from sealing.units import duration_text

HEAD = """\
# Configuration

<!-- Written by `make docs` from the models in sealing/config/. -->

A worker is configured by the TOML file that the damocles worker reads. Keys of *damocles* mean what they mean there;
keys of *sealflow* are ours, and the other worker ignores them, so that one file starts either.

```console
$ sealflow config check worker.toml
```

prints what a worker understands of a file, what it ignores and why, and everything that is wrong with its line. A key
that nobody knows is ignored, as the other worker does, and told with the nearest name that there is; with `--strict`
(also of `sealflow worker run`) it is an error.

"""

KINDS = f"""\
## Kinds of values

- **duration**: whole numbers with units, such as `"30s"`, `"5min"`, `"1h 30m"` (m is minutes, M months).
- **size**: `"8GiB"`, `"512MiB"`, or a number of bytes. **sector size**: one of {", ".join(SECTOR_SIZES)}.
- **path**: absolute, or from the folder that the worker is started in; `~` is the home.
- **stage**: one of {", ".join(f"`{stage}`" for stage in STAGES)}.

"""

HOT = """\
## `config.toml` in a thread's location

Read before each task of the thread, without a restart. It holds the keys `plan` and `sealing.*` of a
`[[sealing_thread]]`, which count over those of the worker's file; a file that is gone changes nothing more. While it is
broken the last one that was good in this worker's life counts, after a restart the worker's own file, and the thread's
details, its query `status` and `sealflow worker -c worker.toml list` say which line is wrong. `sealflow store init
--hot` writes an example.

"""


class Row(NamedTuple):
    """What is said of one key."""

    key: str
    whose: str
    kind: str
    default: str
    text: str


def page() -> str:
    """Return the page."""
    sections = [_section(name) for name in Contents.model_fields]
    return "\n".join([HEAD + KINDS + "\n".join(sections), HOT + _older(), _refused()])


def _section(name: str) -> str:
    table = inner_table(Contents, name)
    if table is None:
        raise TypeError(f"{name} is no table")
    is_list = get_origin(_bare(get_type_hints(Contents)[name])) is tuple
    title = f"[[{name}]]" if is_list else f"[{name}]"
    text = _text(Contents.model_fields[name])
    body = f"## `{title}`\n\n{text}\n\n{_rows(_keys(table, name))}"
    return body + (f"\n{_stages()}" if name == "processors" else "")


def _stages() -> str:
    """Return the section of a stage's programs, which is the same for each stage."""
    idle = "".join(
        f" `{stage}` has no effect: {WITHOUT_EFFECT[f'processors.{stage}']}."
        for stage in STAGES
        if f"processors.{stage}" in WITHOUT_EFFECT
    )
    hints = get_type_hints(Contents.model_fields["processors"].annotation or Contents, include_extras=True)
    ours = ", ".join(f"`{stage}`" for stage in STAGES if OURS in _metadata(hints[stage]))
    text = f"A program that runs a stage; a stage may have several. Ours are the stages {ours}.{idle}"
    return f"## `[[processors.<stage>]]`\n\n{text}\n\n{_rows(_keys(Processor, f'processors.{STAGES[2]}'))}"


def _keys(table: type[Table], path: str, prefix: str = "") -> Iterator[Row]:
    """Yield the keys of a table, those of tables in it with their dots."""
    hints = get_type_hints(table, include_extras=True)
    for name, field in table.model_fields.items():
        inner = inner_table(table, name)
        if inner is Processor:
            continue
        if inner is Sealing:
            yield Row(f"{name}.*", "damocles", "as in `[sealing]`", "as in `[sealing]`", _text(field))
        elif inner is not None:
            yield from _keys(inner, f"{path}.{name}", f"{prefix}{name}.")
        else:
            metadata = _metadata(hints[name])
            idle = WITHOUT_EFFECT.get(f"{path}.{name}")
            text = f"{_text(field)} **No effect**: {idle}." if idle else _text(field)
            whose = "sealflow" if OURS in metadata or issubclass(table, OurTable) else "damocles"
            yield Row(f"{prefix}{name}", whose, _kind(hints[name]), _default(field, metadata), text)


def _rows(rows: Iterator[Row]) -> str:
    lines = ["| key | whose | type | default | what it does |", "|---|---|---|---|---|"]
    lines += [f"| `{row.key}` | {row.whose} | {row.kind} | {row.default} | {row.text} |" for row in rows]
    return "\n".join(lines) + "\n"


def _text(field: FieldInfo) -> str:
    return " ".join(inspect.cleandoc(field.description or "").split())


def _metadata(hint: object) -> tuple[object, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _bare(hint: Any) -> Any:  # noqa: ANN401 - a type as it stands in an annotation
    """Return a type without what is annotated and without None."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    others = [each for each in get_args(hint) if each is not NoneType]
    return _bare(others[0]) if NoneType in get_args(hint) else hint


def _kind(hint: Any) -> str:  # noqa: ANN401 - as above
    """Return a type in words."""
    if words := [each.text for each in _metadata(hint) if isinstance(each, Words) and each is not OURS]:
        return words[0]
    arguments = [each for each in get_args(hint) if each is not NoneType]
    if get_origin(hint) is Annotated or NoneType in get_args(hint):
        return _kind(arguments[0])
    kinds: dict[object, Callable[[], str]] = {
        tuple: lambda: f"list of: {_kind(arguments[0])}",
        dict: lambda: f"table of: {_kind(arguments[0])} = {_kind(arguments[1])}",
        Literal: lambda: ", ".join(f"`{each}`" for each in arguments[:-1]) + f" or `{arguments[-1]}`",
        bool: lambda: "true or false",
        str: lambda: "text",
    }
    return kinds[get_origin(hint) or hint]()


def _default(field: FieldInfo, metadata: tuple[object, ...]) -> str:
    if words := [each.text for each in metadata if isinstance(each, DefaultWords)]:
        return words[0]
    if field.is_required():
        return "needed"
    value = field.default
    if value is None or value in ((), {}):
        return "none"
    shown = duration_text(value) if isinstance(value, timedelta) else value
    return f"`{json.dumps(shown)}`"


def _older() -> str:
    lines = [f"- `{_path(name.old)}`: {'one more of ' if name.entry else ''}`{_path(name.new)}`" for name in OLDER]
    text = "They are understood; where the newer name is there too the older is ignored, but for `remote_store`."
    return "## Older names\n\n" + text + "\n\n" + "\n".join(lines) + "\n"


def _path(key: tuple[str | int, ...]) -> str:
    return ".".join(map(str, key))


def _refused() -> str:
    lines = [f"- `{plan}`: {why}." for plan, why in REFUSED_PLANS.items()]
    return "## Plans that are refused\n\n" + "\n".join(lines) + "\n"
