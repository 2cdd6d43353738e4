"""Which requests a server on 127.0.0.1 hears at all: those of programs of this machine, never those of a web page."""


def objection(method: str, host: str, origin: str | None, port: int) -> str:
    """Why a request is not heard, or ""; `host` and `origin` are its headers, several of a name with commas between.

    A page whose name was made to lead to this machine (DNS rebinding) gives itself away by Host, one of another
    origin by Origin, or by asking for leave first (OPTIONS), as no program does.
    """
    own = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if port == 80:
        own |= {"127.0.0.1", "localhost"}
    if host.lower() not in own:
        return f"The sandbox answers to 127.0.0.1:{port} and localhost:{port} alone."
    if method == "OPTIONS" or (origin is not None and origin not in {f"http://{name}" for name in own}):
        return "The sandbox answers no web page of another origin."
    return ""
