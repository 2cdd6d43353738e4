"""Commands of which each option is set once: of two, neither can be the one that was meant."""

from __future__ import annotations

import click

from omc_runbook.model.errors import UsageError

WORDS = "omc_runbook.words"
"""Where a context has the command's words while a shell completes: click does not keep those of half an option."""


class StrictCommand(click.Command):
    """A command that refuses an option which is set twice, where click would take the last one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command line; raises UsageError for an option that is there twice."""
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(list(args))
            for parameter in order:
                if isinstance(parameter, click.Option) and _is_single(parameter) and order.count(parameter) > 1:
                    raise UsageError(
                        f"{'/'.join((*parameter.opts, *parameter.secondary_opts))} is set twice: set it once."
                    )
        else:
            ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)


def _is_single(option: click.Option) -> bool:
    """Whether it has one value; a switch that is only on says nothing else when it is repeated."""
    return not option.multiple and not option.count and (not option.is_flag or bool(option.secondary_opts))


class StrictGroup(click.Group):
    """A group of such commands."""

    command_class = StrictCommand
