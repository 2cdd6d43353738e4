"""A process that runs pytest with nbval, which starts a kernel for each notebook."""

import sys

import pytest

sys.exit(pytest.main(["-p", "no:cacheprovider", "--color=no", "-p", "no:nbval", "-p", "nbval.plugin", *sys.argv[1:]]))
