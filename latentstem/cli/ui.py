"""`latentstem ui`: serve the web page."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from latentstem.cli.errors import above_zero, library_errors, require_extras
from latentstem.cli.loading import add_adapters, choose_device, load_bassnet, load_loops, load_pipeline
from latentstem.ui.memory import share_heaps


def ui(
    weights: Annotated[str, typer.Option(help="Name of shipped weights, or folder of saved ones.")] = "bass",
    adapters: Annotated[
        list[Path] | None,
        typer.Option(
            "--adapter",
            metavar="FOLDER",
            help="Folder of a fine-tuned adapter of the denoiser, which visitors can choose; give it again for others.",
            rich_help_panel="Expert",
        ),
    ] = None,
    bassnet: Annotated[
        str, typer.Option(help="Weights of the BassNet whose pad is the second tab: name of shipped ones, or folder.")
    ] = "bassnet-gm",
    loops: Annotated[
        str, typer.Option(help="Weights of the loops of the third tab: name of shipped ones, or folder.")
    ] = "loops-gm",
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default only this machine can reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 7860,
    device: Annotated[str, typer.Option(help="Device to compute on: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    max_duration: Annotated[
        float, typer.Option(callback=above_zero, help="Longest file that is read, in seconds.")
    ] = 900.0,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Serve a web page: drop a mix, listen to takes of a bass for it, keep one. Needs the extra `ui`."""
    share_heaps()
    chosen_device = choose_device(device)
    require_extras("the page", "ui", "latentstem.ui.server")
    from latentstem.ui.network import listen
    from latentstem.ui.server import serve

    with library_errors():
        listener = listen(host, port)
    with listener:
        with Console(stderr=True).status("loading the weights"):
            pipe = load_pipeline(weights)
            names = add_adapters(pipe, adapters or [])
            pipe.to(chosen_device)
            lines = load_bassnet(bassnet).to(chosen_device)
            loop_pipe = load_loops(loops, beside=pipe).to(chosen_device)
        with library_errors():
            serve(pipe, listener, max_duration, open_browser, lines, loop_pipe, names)
