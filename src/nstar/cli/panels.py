"""The list of commands in `nstar --help`, panel by panel, as plain text."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

from nstar.cli import options as o


class Panels(TyperGroup):
    """Commands under what people want; Typer's own panels need rich, which is slow to import."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each panel with its commands."""
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        for panel in (o.BEGIN, o.DECIDE, o.CHECK, o.KEEP):
            rows = [
                (name, command.get_short_help_str(room))
                for name in names
                if isinstance(command := self.commands[name], TyperCommand)
                and command.rich_help_panel == panel
            ]
            with formatter.section(panel):
                formatter.write_dl(rows)
