"""Which requests a server on 127.0.0.1 accepts: those of local programs, never those of a web page."""


def objection(method: str, host: str, origin: str | None, port: int) -> str:
    """Why a request is rejected, or ""; `host` and `origin` are its headers, repeated ones joined by commas.

    A page with DNS rebinding is recognised by Host, one of another origin by Origin or by its preflight request
    (OPTIONS), which no program sends.
    """
    own = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if port == 80:
        own |= {"127.0.0.1", "localhost"}
    if host.lower() not in own:
        return f"The sandbox only answers to 127.0.0.1:{port} and localhost:{port}."
    if method == "OPTIONS" or (origin is not None and origin not in {f"http://{name}" for name in own}):
        return "The sandbox does not answer web pages of another origin."
    return ""
