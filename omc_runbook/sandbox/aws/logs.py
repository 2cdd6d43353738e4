"""CloudWatch Logs with metric filters that are replaced, not doubled.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html
"""

from moto.logs.responses import LogsResponse


class SandboxLogs(LogsResponse):
    """moto's log groups and metric filters."""

    def put_metric_filter(self) -> str:
        """Create a filter, or replace the one of its name."""
        name, group = self._get_param("filterName"), self._get_param("logGroupName")
        filters = self.logs_backend.filters
        filters.metric_filters = [
            each for each in filters.metric_filters if (each["filterName"], each["logGroupName"]) != (name, group)
        ]
        return str(super().put_metric_filter())
