"""What commands share: the options that name a cluster, progress, and errors as one sentence."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from kubette.cli import completions
from kubette.clusterspec import DATA_ROOT, DEFAULT_NAME, ClusterError

F = TypeVar("F", bound=Callable[..., Any])

name_option = click.option(
    "--name",
    default=DEFAULT_NAME,
    show_default=True,
    show_envvar=True,
    envvar="KUBETTE_NAME",
    metavar="N",
    help="The cluster's name.",
    shell_complete=completions.clusters,
)
data_dir_option = click.option(
    "--data-dir",
    "data_root",
    type=click.Path(file_okay=False, path_type=Path),
    default=DATA_ROOT,
    show_default=True,
    show_envvar=True,
    envvar="KUBETTE_DATA_DIR",
    help="Where clusters keep their data.",
)
kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="The kubeconfig to change [default: $KUBECONFIG, else ~/.kube/config].",
)
output_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print it."
)


def fail(message: str) -> NoReturn:
    """One clear sentence, and exit 1."""
    click.echo(f"{click.style('kubette:', fg='red')} {message}", err=True)
    raise SystemExit(1)


def says_why(command: F) -> F:
    """Expected failures end in one sentence, not in a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ClusterError as error:
            fail(str(error))
        except PermissionError as error:
            fail(f"{_sentence(error)}; run it as root")
        except OSError as error:
            fail(_sentence(error))
        except KeyboardInterrupt:
            click.echo("kubette: interrupted; run it again to go on", err=True)
            raise SystemExit(130) from None

    return wrapped  # type: ignore[return-value]


def _sentence(error: OSError) -> str:
    """``no space left on device: /var/lib/kubette/a``."""
    what = error.strerror or str(error)
    what = what[0].lower() + what[1:] if what[1:2].islower() else what
    about = error.filename2 or error.filename  # of a copy, the file that was to be
    return f"{what}: {about}" if about else what


def need_root() -> None:
    import os

    if os.geteuid() != 0:
        raise ClusterError("only root may do this: a cluster is made of namespaces, mounts and nftables; use sudo")


def state(text: str, *, good: bool) -> str:
    """``text`` in green or red; click takes the colour out where there is no terminal."""
    return click.style(text, fg="green" if good else "red")


class Progress:
    """Lines with the time since the start, on standard error."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, line: str) -> None:
        since = click.style(f"{time.monotonic() - self._start:7.2f}s", dim=True)
        click.echo(f"{since}  {line}", err=True)
        sys.stderr.flush()
