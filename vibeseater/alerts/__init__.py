"""Alerts: rules over a stream, evaluated from its feed; what they told; and what they would have told of the past."""

from vibeseater.alerts.alerts import Alerts
from vibeseater.alerts.records import Alert, AlertRule, Trial

__all__ = ["Alert", "AlertRule", "Alerts", "Trial"]
