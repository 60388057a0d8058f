#!/usr/bin/env python
import os
import sys

from config.private import write_privately


def is_text(argument: str) -> bool:
    """Whether an argument of a command is UTF-8; any other could not be stored."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


if __name__ == "__main__":
    write_privately()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if wrong := [argument for argument in sys.argv[1:] if not is_text(argument)]:
        print(f"This is no UTF-8: {', '.join(map(ascii, wrong))}", file=sys.stderr)
        sys.exit(2)
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
