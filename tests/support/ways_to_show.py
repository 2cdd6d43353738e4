"""Cells that show a value in every way that a notebook has, and a look for what came out."""

import secrets
import string


def new_canary() -> str:
    """A value of which no five characters are anywhere by chance, as five digits are in a time."""
    return "".join(f"{secrets.choice(string.ascii_letters)}{secrets.randbelow(10)}" for _ in range(24))


CANARY = new_canary()
START = """
import html, io, json, logging, os, subprocess, sys, threading, time
from base64 import b64encode
import pandas as pd
from IPython.display import HTML, JSON, Markdown, display, update_display
from omc_runbook.masking.value import Masked, reveal
text = reveal(Masked(os.environ["OMC_TEST_CANARY"], "CANARY"))
"""


def shows(text: str, value: str = CANARY) -> bool:
    """Whether any five characters in a row of a canary are in the text."""
    return any(value[at : at + 5] in text for at in range(len(value) - 4))


WAYS = {
    "print": "print(text)",
    "print in pieces": "print(text[:20], text[10:], text[3:17], end='')",
    "character by character": "for c in text: print(c, end='', flush=True)",
    "split across flushes": "print(text[:13], end='', flush=True); time.sleep(.3); print(text[13:])",
    "left unfinished": "print('value:', text[:-1], end='')",
    "both streams": "sys.stdout.write(text[:9]); sys.stderr.write(text); sys.stdout.write(text[9:])",
    "logging": "logging.basicConfig(force=True); logging.warning('got %s', text)",
    "shell": "!echo {text}",
    "shell, captured": "out = !echo {text}\nout",
    "system": "os.system('echo ' + text); os.system('echo ' + text + ' >&2'); time.sleep(.3)",
    "subprocess": "subprocess.run(['echo', text]); time.sleep(.3)",
    "subprocess to the stream": "subprocess.run(['echo', text], stdout=sys.stdout); time.sleep(.3)",
    "file descriptor": "os.write(1, text.encode()); os.write(2, text[:14].encode()); time.sleep(.3)",
    "saved stream": "sys.__stdout__.write(text); sys.__stdout__.flush(); time.sleep(.3)",
    "bash -x": "%%bash -x -s {text}\necho $1",
    "thread": "t = threading.Thread(target=print, args=(text,)); t.start(); t.join()",
    "fork": (
        "pid = os.fork()\nif pid == 0:\n    print(text, flush=True)\n"
        "    for c in text: print(c, end='', flush=True)\n    os._exit(0)\nos.waitpid(pid, 0); time.sleep(.3)"
    ),
    "thread in a fork": (
        "pid = os.fork()\nif pid == 0:\n"
        "    t = threading.Thread(target=print, args=(text,), kwargs={'flush': True}, daemon=True)\n"
        "    t.start(); t.join(5); os._exit(0)\nos.waitpid(pid, 0); time.sleep(.3)"
    ),
    "multiprocessing": (
        "import multiprocessing\np = multiprocessing.get_context('fork').Process(target=print, args=(text,))\n"
        "p.start(); p.join(); time.sleep(.3)"
    ),
    "result": "text",
    "nested result": "{'a': [text, text.encode(), (text,)], text: 1}",
    "HTML": "HTML('<b title=\"' + html.escape(text) + '\">' + text[:15] + '…</b>')",
    "JSON": "JSON({'a': {text: [text]}})",
    "raw bundle": "display({'text/plain': text, 'application/x': {'deep': [text]}}, raw=True, metadata={'k': text})",
    "update": "display(Markdown('x'), display_id='d'); update_display(Markdown(text), display_id='d')",
    "pandas": "pd.DataFrame({'value': [text], text: [1]})",
    "pandas, cut": "with pd.option_context('display.max_colwidth', 20): display(pd.DataFrame({'value': [text]}))",
    "encoded": "print(json.dumps(text), text.encode().hex(), b64encode(b'x' + text.encode()).decode())",
    "exception": "raise ValueError('bad: ' + text)",
    "exception, chained": "try: int(text)\nexcept ValueError as e: raise KeyError(text) from e",
    "verbose traceback": "%xmode Verbose\ndef f(password): return 1 / 0\nf(text)",
    "context traceback": "%xmode Context\nraise RuntimeError(repr(text))",
    "syntax error": "compile('\"' + text, 'f', 'exec')",
    "environment": "%env",
    "whos": "%whos",
    "captured and shown": "%%capture kept\nprint(text); display(text)",
    "shown after capture": "kept.show(); print(kept)",
    "redirected": "import contextlib\nwith contextlib.redirect_stdout(sys.stderr): print(text)",
    "widget": "import ipywidgets as w; b = w.Password(value=text); b",
    "widget's label": "w.HTML(value='<i>' + text + '</i>', description=text[:14])",
    "widget's bytes": "w.Image(value=text.encode(), format='png')",
    "output widget": "o = w.Output()\nwith o: print(text); display(text)\no.outputs, o",
    "comm": "from comm import create_comm; create_comm('t', data={'k': text}, metadata={'m': text}).send({text: 1})",
    "next input": "get_ipython().set_next_input('x = ' + text)",
    "warning": "import warnings; warnings.warn(text)",
    "pager": "text?",
}
