"""Keras, with TensorFlow below it, imported once it is needed: that takes seconds, and is not silent by itself."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's greetings, which its C++ side writes to stderr at import, out of notebooks."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # By itself it does without on some processors, at twice the time.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        # TensorFlow's logger keeps the stream that it finds, and closes it when logging is set up again, unless it is
        # the process's own.
        with contextlib.redirect_stderr(sys.__stderr__ or sys.stderr):
            yield
    finally:
        os.dup2(stderr, 2)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it sets its own level when it is imported
        os.close(stderr)
        os.close(nowhere)


def import_keras() -> Any:
    """Keras, with TensorFlow below it, once it is needed."""
    if "keras" in sys.modules:
        return sys.modules["keras"]
    with _quiet():
        import keras
    return keras


def import_tensorflow() -> Any:
    """TensorFlow, see `import_keras`."""
    import_keras()
    import tensorflow

    return tensorflow
