"""The models of AWS's services, each read once by botocore and moto together: reading one takes longer than a call."""

import botocore.session
import moto.core.utils
from moto.core.loaders import create_loader


def share() -> None:
    """Let every session and every service of this process take the models from one loader."""
    # moto's knows what botocore's knows, and the errors that AWS's models leave out.
    loader = create_loader()
    for module in (botocore.session, moto.core.utils):
        setattr(module, "create_loader", lambda *_: loader)  # noqa: B010


share()
