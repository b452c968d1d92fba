"""``kubette image``: the machine's image store, which all clusters share."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from kubette.cli.common import data_dir_option, fail, need_root, output_option, says_why
from kubette.clusterspec import ClusterError, images_dir
from kubette.runtime.interface import Image, ImageFailure

T = TypeVar("T")


def _do(work: Coroutine[Any, Any, T], spooled: Path | None = None) -> T:
    """The result of ``work``. Errors name standard input instead of the file ``spooled`` that holds it."""
    try:
        return asyncio.run(work)
    except ImageFailure as error:
        fail(str(error).replace(str(spooled), "standard input") if spooled else str(error))


def _store(data_root: Path) -> Any:
    from kubette.runtime.images import ImageStore

    need_root()
    return ImageStore(images_dir(data_root))


def _row(image: Image) -> dict[str, Any]:
    lists = {"references": list(image.references), "digests": list(image.digests)}
    return {"id": image.id, **lists, "size": image.size, "local": image.pinned}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}MB" if size else "-"


@click.group("image")
def command() -> None:
    """Load, pull, list and remove images. One store serves every cluster of the machine."""


@command.command("load")
@data_dir_option
@click.argument("file", type=click.Path(path_type=Path))
@says_why
def load(data_root: Path, file: Path) -> None:
    """Load FILE, a docker-archive, an OCI archive or an OCI layout's directory; - reads an archive from a pipe."""
    store = _store(data_root)
    with contextlib.ExitStack() as stack:
        spooled = None
        if str(file) == "-":
            file = spooled = stack.enter_context(_spooled(sys.stdin.buffer, images_dir(data_root)))
        for image in _do(store.load(file), spooled):
            click.echo(f"loaded {', '.join(image.references) or image.id}")


@contextlib.contextmanager
def _spooled(stream: BinaryIO, directory: Path) -> Iterator[Path]:
    """The whole of ``stream`` as a file on the image store's disk: skopeo seeks in an archive."""
    if stream.isatty():
        raise ClusterError("there is no archive on standard input: docker save IMAGE | kubette image load -")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".stdin-", suffix=".tar") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
        file.flush()
        yield Path(file.name)


@command.command("pull")
@data_dir_option
@click.argument("reference", metavar="REF")
@says_why
def pull(data_root: Path, reference: str) -> None:
    """Pull REF, by tag or digest, from its registry. A local image is there already."""
    image = _do(_store(data_root).pull(reference))
    click.echo(f"{reference} is {image.id}{' (local image)' if image.pinned else ''}")


@command.command("ls")
@output_option
@data_dir_option
@says_why
def ls(output: str, data_root: Path) -> None:
    """List the images."""
    images = _do(_store(data_root).list())
    if output == "json":
        click.echo(json.dumps([_row(image) for image in images]))
        return
    click.echo(f"{'REFERENCE':<48} {'IMAGE ID':<14} {'SIZE':<10} KIND")
    for image in images:
        for reference in image.references or ("<none>",):
            short = image.id.removeprefix("sha256:")[:12]
            kind = "local" if image.pinned else "loaded"
            click.echo(f"{reference:<48} {short:<14} {_megabytes(image.size):<10} {kind}")


@command.command("rm")
@data_dir_option
@click.argument("reference", metavar="REF")
@says_why
def rm(data_root: Path, reference: str) -> None:
    """Remove REF. Of a local image this takes the pin away: its registry is asked from then on."""
    _do(_store(data_root).remove(reference))
    click.echo(f"removed {reference}")
