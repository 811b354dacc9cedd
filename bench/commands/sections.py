"""Help of a command with many options: plain text, in sections."""

from typing import Any

from typer.core import TyperCommand


class Sections(TyperCommand):
    """Lists the options under the panel each names. (Typer brings its own click, or none: so no types.)"""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options; those without a panel come last."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            line = option.get_help_record(ctx)
            if line is not None:
                panels.setdefault(getattr(option, "rich_help_panel", None) or "Other", []).append(line)
        for panel, lines in panels.items():
            with formatter.section(panel):
                formatter.write_dl(lines)
