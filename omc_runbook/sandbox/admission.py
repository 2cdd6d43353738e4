"""Which requests a server on 127.0.0.1 accepts: those of local programs, not those of web pages."""


def rejection(method: str, host: str, origin: str | None, port: int) -> str:
    """Why a request is rejected, or ""; `host` and `origin` are its headers, repeated ones joined by commas.

    Host gives away DNS rebinding; Origin, or a preflight request (OPTIONS), a page of another origin.
    """
    names = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if port == 80:
        names |= {"127.0.0.1", "localhost"}
    if host.lower() not in names:
        return f"The sandbox only answers to 127.0.0.1:{port} and localhost:{port}."
    if method == "OPTIONS" or (origin is not None and origin not in {f"http://{name}" for name in names}):
        return "The sandbox does not answer web pages of another origin."
    return ""
