"""What commands read first: recipes, whose plug-in files they tell, and the libraries that compute."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from rlaudio.cli.common_options import NO_PLUGINS
from rlaudio.utils import launcher
from rlaudio.utils.library_output import quiet_transformers
from rlaudio.utils.number_format import counted

if TYPE_CHECKING:
    from rlaudio.config.recipe import Recipe


def load(recipe: str | Path, overrides: Sequence[str]) -> Recipe:
    """The recipe, for a command that runs its plug-ins: which of the user's files these are is told."""
    resolved = read(recipe, overrides)
    announcement()(resolved)
    return resolved


def read(recipe: str | Path, overrides: Sequence[str]) -> Recipe:
    """The recipe, of which no plug-in is run."""
    from rlaudio.config.recipe import load_recipe

    return load_recipe(recipe, overrides)


def announcement() -> Callable[[Recipe], None]:
    """What to call before a recipe's plug-ins run: it tells each of the user's files once."""
    told: set[Path | str] = set()

    def announce(recipe: Recipe) -> None:
        announce_files("recipe", [file for file in recipe.user_files() if file not in told])
        refuse_trust(recipe)
        if (trusted := trusted_folder(recipe)) is not None and trusted not in told:
            say(f"the recipe runs the tokenizer's Python in {trusted}, if it has any", err=True)
            told.add(trusted)
        told.update(recipe.user_files())

    return announce


def announce_files(what: str, files: Sequence[Path]) -> None:
    """Tell which files of the user's run. Raises UsageError with --no-plugins."""
    refuse_plugins(what, files)
    for file in files:
        say(f"the {what} runs {file}", err=True)


def refuse_plugins(what: str, files: Sequence[Path]) -> None:
    """With --no-plugins, refuse files of the user's."""
    if files and click.get_current_context().meta.get(NO_PLUGINS):
        listed = "".join(f"\n  {file}" for file in files)
        raise click.UsageError(
            f"--no-plugins: the {what} would run {counted(len(files), 'file')} of its own:{listed}\n"
            "read them, then leave --no-plugins out"
        )


def trusted_folder(recipe: Recipe) -> str | None:
    """The folder or hub name of a model whose own Python the recipe lets run."""
    options = recipe.model.options
    return str(options.get("path")) if options.get("trust_remote_code") else None


def refuse_trust(recipe: Recipe) -> None:
    """With --no-plugins, refuse Python that lies in a model's folder."""
    trusted = trusted_folder(recipe)
    if trusted is not None and click.get_current_context().meta.get(NO_PLUGINS):
        raise click.UsageError(
            f"--no-plugins: model.trust_remote_code would run the tokenizer's Python in {trusted}; read it, "
            "then leave --no-plugins out"
        )


def refuse_absent_models(recipe: Recipe) -> None:
    """Refuse models that no folder and no name of the hub can be, before libraries are loaded for them."""
    from rlaudio.models.shared.model_paths import refuse_absent
    from rlaudio.models.shared.model_types import MODEL_TYPES
    from rlaudio.utils.endpoint.address import is_endpoint

    paths = [recipe.model.options.get("path"), *recipe.contribution.voters]
    for path in filter(None, paths) if recipe.model.use in MODEL_TYPES else ():
        if not is_endpoint(path):
            refuse_absent(path)


def load_pipeline() -> ModuleType:
    """The pipeline, imported when a command needs it, which takes seconds."""
    say("loading torch and transformers, then data and checks", err=True)
    collects = gc.isenabled()
    gc.disable()  # nothing of an import is garbage, and looking for it takes a quarter of the time
    try:
        quiet_transformers()
        from rlaudio import pipeline
    finally:
        if collects:
            gc.enable()
    return pipeline


def say(text: object, *, err: bool = False) -> None:
    """Print in the first process only."""
    if launcher.rank() == 0:
        click.echo(text, err=err)
