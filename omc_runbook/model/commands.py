"""Commands of which each option is set once: of two, neither can be the one that was meant."""

from __future__ import annotations

import click

from omc_runbook.model.errors import UsageError


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
        return super().parse_args(ctx, args)


def _is_single(option: click.Option) -> bool:
    """Whether it has one value; a switch that is only on says nothing else when it is repeated."""
    return not option.multiple and not option.count and (not option.is_flag or bool(option.secondary_opts))


class StrictGroup(click.Group):
    """A group of such commands."""

    command_class = StrictCommand
