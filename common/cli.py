"""How every command of the pipeline ends: success, or one sentence and a non-zero exit."""

import errno
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can put right. The message says what, where, and what to do about it."""


def run(main: Callable[[], None]) -> None:
    """Call `main`; turn a `UserError`, a full disk or Ctrl-C into a sentence and an exit status.

    Any other exception is a bug and keeps its traceback.
    """
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(
            f"error: no space left on the device while writing {error.filename or 'a file'};"
            " free some space and run the same command again: finished files are kept"
        )
    except KeyboardInterrupt:
        sys.exit("error: interrupted; run the same command again to go on from here")
