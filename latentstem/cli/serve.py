"""`latentstem serve`: serve stems to other programs."""

import secrets
from typing import Annotated

import typer
from rich.console import Console

from latentstem.cli.errors import UsageError, above_zero, finite, library_errors, require_extras
from latentstem.cli.loading import Adapter, choose_device, load_pipeline
from latentstem.ui.memory import share_heaps


def serve(
    weights: Annotated[str, typer.Option(help="Name of shipped weights, or folder of saved ones.")] = "bass",
    adapter: Adapter = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default only this machine can reach it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 7861,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="LATENTSTEM_TOKEN",
            help="Token that each request must bring. Default: none on this machine; a random one, which is printed, "
            "where others can reach the server.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Device to compute on: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    max_duration: Annotated[
        float, typer.Option(callback=above_zero, help="Longest file that is read, in seconds.")
    ] = 900.0,
    max_jobs: Annotated[
        int, typer.Option(min=1, max=10_000, help="Greatest number of jobs, with those that are kept.")
    ] = 100,
    keep_minutes: Annotated[
        float, typer.Option(min=0, callback=finite, help="Minutes for which a job is kept after its end.")
    ] = 60.0,
) -> None:
    """Serve stems to other programs over HTTP, with OpenAPI at /openapi.json. Needs the extra `serve`."""
    if token is not None and (not token.isascii() or not token.isprintable() or len(token) < 8):
        raise UsageError("--token must have at least 8 printable ASCII characters, because it is all that protects")
    share_heaps()
    chosen_device = choose_device(device)
    require_extras("the server", "serve", "latentstem.serve.server")
    from latentstem.serve.server import serve_jobs
    from latentstem.ui.network import is_loopback, listen

    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
        print(f"token: {token}", flush=True)
    with library_errors():
        listener = listen(host, port)
    with listener:
        with Console(stderr=True).status("loading the weights"):
            pipe = load_pipeline(weights, adapter).to(chosen_device)
        serve_jobs(pipe, listener, token, max_duration, max_jobs, keep_minutes)
