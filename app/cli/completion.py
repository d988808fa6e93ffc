"""`oncue completion`: what a shell needs to complete the words of `oncue`."""

from __future__ import annotations

import os
from pathlib import PurePath

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", required=False, type=click.Choice(SHELLS))
def completion(shell: str | None) -> None:
    """Print the script by which a shell completes commands, options, files and names of tasks.

    SHELL is the one that $SHELL names, if not given. Names of tasks are read from the app's file or
    a store in a file; nothing is imported for that, and no server is asked.

    \b
        oncue completion bash > ~/.local/share/bash-completion/completions/oncue
        oncue completion zsh > /usr/local/share/zsh/site-functions/_oncue
        oncue completion fish > ~/.config/fish/completions/oncue.fish
    """
    found = shell or PurePath(os.environ.get("SHELL", "")).name
    kind = get_completion_class(found) if found in SHELLS else None
    if kind is None:
        raise click.UsageError(f"which shell? there are {', '.join(SHELLS)}")
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "oncue", "_ONCUE_COMPLETE").source())
