"""``kubette version``: what this is, and which Kubernetes it speaks."""

from __future__ import annotations

import json
import platform

import click

from kubette import KUBERNETES_VERSION, __version__


@click.command("version")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print it.")
def command(output: str) -> None:
    """Print the versions of kubette, Kubernetes and Python."""
    facts = {"kubette": __version__, "kubernetes": KUBERNETES_VERSION, "python": platform.python_version()}
    if output == "json":
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:<11}{value}")
