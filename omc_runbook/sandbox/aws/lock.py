"""The lock that request threads and the agent take before they touch moto's state."""

import threading

STATE = threading.RLock()
