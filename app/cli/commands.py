"""`oncue`: the group of its commands.

A command is imported when it is asked for, so that one does not pay for the others, and least of
all a shell that completes a word.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from ...conds.diagnostic import nearest
from .failure import DEBUG, in_one_line

COMMANDS = {
    "check": "check_",
    "completion": "completion",
    "explain": "explain_",
    "fmt": "fmt",
    "health": "health_",
    "init": "init",
    "log": "log_",
    "migrate": "migrate",
    "missed": "missed_",
    "next": "next_",
    "run": "run",
    "simulate": "simulate_",
    "tasks": "tasks_",
    "timeline": "timeline",
}
"""The commands, each in the module of its name: what it is called there."""


class Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f".{cmd_name}", __package__)
        command: click.Command = getattr(module, COMMANDS[cmd_name])
        if DEBUG not in command.params:
            command.params.append(DEBUG)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = nearest(name, COMMANDS)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with in_one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with in_one_line(ctx):
            return super().invoke(ctx)


@click.group("oncue", cls=Commands, params=[DEBUG])
@click.version_option(package_name="oncue")
def main() -> None:
    """Run Python tasks when conditions say so.

    \b
        oncue init jobs
        oncue next "daily after 10:00"
        oncue log --help
    """
