"""What all commands share: common options, how a failure is reported, and the exit code.

Every call imports this module, --help too: typing_extensions, for `override`, would take as long as
all of typer.
"""

from __future__ import annotations

import errno
import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer
from typer.core import TyperGroup

from seil.errors import SeilError
from seil.extras import requires
from seil.interruption import TerminatedError, last_signal_error

if TYPE_CHECKING:
    from seil.app.documents.base import JsonDocument

UNBALANCED = 1
PERSON_NEEDED = 6
BROKEN_PIPE = 141
_INTERRUPTED = 130
_MACHINE = 3
_GO_ON = "What was committed stays, what was not is read again; run the same command to go on"

_Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="The settings file; default: ./seil.toml.")
]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; warnings only.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every step and call.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_COMMON: dict[str, tuple[Any, Any]] = {
    "config": (_Config, None),
    "quiet": (_Quiet, False),
    "verbose": (_Verbose, False),
    "json": (_Json, False),
}

_Function = Callable[..., int | None]


@dataclass(frozen=True)
class Call:
    """The common options of one invocation, wherever on the command line they stood.

    `narrated`: its steps are logged where nobody watches bars.
    """

    config: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    narrated: bool = False
    _answers: list[tuple[JsonDocument, str, str]] = field(
        default_factory=list, repr=False, compare=False
    )

    def answer(self, document: JsonDocument, *, problem: str = "", hint: str = "") -> None:
        """The one document of this command, printed when it ends: with what its exit code says.

        `problem` and `hint` are what its `error` says should the exit code not be 0.
        """
        self._answers[:] = [(document, problem, hint)]

    def answer_line(self, document: JsonDocument) -> None:
        """One of many documents: a line each, out at once."""
        from seil.cli.output import emit_line

        emit_line(document)

    def release(self, code: int) -> None:
        """Prints the stored answer, if any."""
        from seil.app.documents.base import document_body
        from seil.app.documents.error import ErrorPart
        from seil.cli.output import emit

        for document, problem, hint in self._answers:
            error = ErrorPart.of_code(code, problem, hint)
            emit({**document_body(document), "error": error})
        self._answers.clear()


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name: `first`, then those of `modules`, each imported on first access."""

    def __init__(self, first: Mapping[str, Any], modules: Mapping[str, str]) -> None:
        self._modules = modules
        self._names = dict.fromkeys([*first, *modules])
        self._commands = dict(first)

    def __getitem__(self, name: str) -> Any:
        if name in self._names and name not in self._commands:
            self._commands.update(_commands(self._modules[name]))
        return self._commands[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._names[name] = None
        self._commands[name] = value

    def __delitem__(self, name: str) -> None:
        del self._names[name]
        self._commands.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@functools.cache
def _commands(module: str) -> Mapping[str, Any]:
    """Cached: typer builds all of a module's commands to run one of them."""
    part = group("")
    import_module(f"seil.cli.{module}").register(part)
    return typer.main.get_group(part).commands


class RootGroup(TyperGroup):
    """Errors we raise become one line; any other keeps its traceback."""

    # Each command that is not registered by itself, and the module whose `register` adds it.
    modules: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = LazyCommands(self.commands, self.modules)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        self.answers_json = _wants_json(arguments)
        if any("\0" in argument for argument in arguments):
            # No operating system passes one on; nothing further in expects it.
            message = "error: an argument holds a NUL character"
            sys.exit(_say(message, 2, kind="usage", json=self.answers_json))
        try:
            code = super().main(arguments, *rest, **{**options, "standalone_mode": False})
        except typer.TyperException as error:
            # Wrong usage: typer's own error, which its own handler prints as text only.
            code = _refuse(error, json=self.answers_json)
        except typer.Abort:
            code = _say("aborted. Nothing was changed", 1, kind="aborted", json=self.answers_json)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        json = getattr(self, "answers_json", False)
        with _documented(json=json), _print_outcome(json=json):
            answer = super().invoke(ctx)
            sys.stdout.flush()
            return answer


def group(help_text: str, *, has_default: bool = False) -> typer.Typer:
    """A command that has commands itself."""
    return typer.Typer(help=help_text, rich_markup_mode=None, no_args_is_help=not has_default)


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    json: bool = True,
    narrated: bool = False,
    extra: str = "",
) -> Callable[[_Function], _Function]:
    """Registers a function whose first parameter is the `Call`; what it returns is the exit code.

    `extra` of pyproject.toml installs what the function imports beyond the base.
    The common options are taken behind the command's name as well as before it.
    """

    def register(function: _Function) -> _Function:
        def run(ctx: typer.Context, **values: Any) -> None:
            with requires(extra):
                _run(function, _call(ctx, values, narrated=narrated), values)

        app.command(name)(_with_common_options(function, run, json=json))
        return function

    return register


def default_command(app: typer.Typer) -> Callable[[_Function], _Function]:
    """Registers what a group does when none of its commands is named."""

    def register(function: _Function) -> _Function:
        def run(ctx: typer.Context, **values: Any) -> None:
            call = _call(ctx, values)
            if ctx.invoked_subcommand:
                ctx.find_root().obj = {name: getattr(call, name) for name in _COMMON}
            else:
                _run(function, call, values)

        app.callback(invoke_without_command=True)(_with_common_options(function, run, json=True))
        return function

    return register


def _run(function: _Function, call: Call, values: Mapping[str, Any]) -> None:
    code = function(call, **values) or 0
    call.release(code)
    if code:
        raise typer.Exit(code)


def _call(ctx: typer.Context, values: dict[str, Any], *, narrated: bool = False) -> Call:
    """Takes the common options out of `values`."""
    options = {name: values.pop(name) for name in _COMMON if name in values}
    before: dict[str, Any] = ctx.find_root().obj or {}
    return Call(**{**before, **{k: v for k, v in options.items() if v}}, narrated=narrated)


def _with_common_options(function: _Function, run: _Function, *, json: bool) -> _Function:
    """`run` with the signature of `function`, the first parameter replaced: typer reads it."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    parameters = [
        inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own),
        *(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
            )
            for name, (kind, default) in _COMMON.items()
            if json or name != "json"
        ),
    ]
    functools.update_wrapper(run, function, assigned=("__name__", "__doc__", "__module__"))
    del run.__dict__["__wrapped__"]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    return run


@contextmanager
def signals_in_duckdb() -> Iterator[None]:
    """DuckDB turns a signal that meets it in the middle of a statement into an error of its own."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise last_signal_error() from error


@contextmanager
def _print_outcome(*, json: bool) -> Iterator[None]:
    try:
        with signals_in_duckdb():
            yield
    except SeilError as error:
        raise _exit(error, json=json) from error
    except KeyboardInterrupt as error:
        hint = str(error) or _GO_ON
        code = _say("interrupted", _INTERRUPTED, hint=hint, kind="interrupted", json=json)
        raise typer.Exit(code) from error
    except TerminatedError as error:
        code = _say("terminated", error.exit_code, hint=_GO_ON, kind="terminated", json=json)
        raise typer.Exit(code) from error
    except BrokenPipeError as error:
        # What is still buffered would fail again when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from error
    except UnicodeEncodeError as error:
        # A name on the command line that is not UTF-8, where only text can be meant.
        message = f"error: {error.object[:100]!a} is not UTF-8"
        raise typer.Exit(_say(message, 2, kind="usage", json=json)) from error
    except OSError as error:
        logging.getLogger(__name__).debug("where it came from", exc_info=True)
        raise typer.Exit(_report_machine_error(error, json=json)) from error


@contextmanager
def _documented(*, json: bool) -> Iterator[None]:
    """A fault of ours keeps its traceback; what reads JSON gets its document all the same."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.TyperException):
        raise
    except Exception as error:
        if json:
            _print_error(1, f"{type(error).__name__}: {error}", kind="internal")
        raise


def _report_machine_error(error: OSError, *, json: bool) -> int:
    """An OSError that no step translated; --verbose shows the traceback."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    place = f"{' -> '.join(names)}: " if names else ""
    message = f"{place}{error.strerror or error}"
    if error.errno == errno.ENOSPC and not names:
        message = f"the answer cannot be written: {message}"
        # What is still buffered would fail again when the interpreter flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _say(f"error: {message}", _MACHINE, kind="machine", json=json)


def _wants_json(arguments: Sequence[str]) -> bool:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def _exit(error: SeilError, *, json: bool) -> typer.Exit:
    from seil.masking import mask

    if json:
        from seil.app.documents.error import ErrorPart
        from seil.cli.output import emit_error

        emit_error(ErrorPart.of(error))
    _echo(mask(f"error: {error}"))
    return typer.Exit(error.exit_code)


def _say(message: str, code: int, *, kind: str, json: bool, hint: str = "") -> int:
    if json:
        _print_error(code, message.removeprefix("error: "), hint, kind=kind)
    _echo(f"{message}. {hint}" if hint else message)
    return code


def _echo(message: str) -> None:
    """On stderr; what a person typed may be in it."""
    from seil.app.wording import printable

    typer.echo(printable(message, lines=True), err=True)


def _refuse(error: Any, *, json: bool) -> int:
    from seil.app.wording import printable

    # Of a value that does not fit, typer passes on how pydantic says it.
    error.message = error.message.replace("Input should be", "it has to be")
    error.message = error.message.replace("Value error, ", "")
    code = int(error.exit_code)
    if json:
        hint = f"Try `{error.ctx.command_path} --help`" if getattr(error, "ctx", None) else ""
        _print_error(code, error.format_message(), hint, kind="usage")
    error.message = printable(error.message)
    error.show()
    return code


def _print_error(code: int, message: str, hint: str = "", *, kind: str) -> None:
    from seil.app.documents.error import ErrorPart
    from seil.cli.output import emit_error

    if error := ErrorPart.of_code(code, message, hint, kind=kind):
        emit_error(error)
