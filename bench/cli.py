"""The command line: words to calls. Commands live beside this file, one module each."""

import sys

import typer

from perceptbench.bench.commands import audit, certify, check, data, distance, listing, report, run, train
from perceptbench.bench.evaluate import UnsoundError
from perceptbench.core.errors import UserError

app = typer.Typer(
    help="How robust perceptual image-similarity metrics are: under attack, and with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("certify")(certify.certify)
app.command("audit")(audit.audit)
app.command("distance")(distance.distance)
app.command("check")(check.check)
app.command("report")(report.report)
app.command("list")(listing.listing)
app.add_typer(train.app, name="train")
app.add_typer(data.app, name="data")


def main() -> None:
    """Entry point of `bench`. Exit status: 0 done, 1 a check failed, 2 bad usage or input."""
    try:
        app()
    except UserError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"bench: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except UnsoundError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
