"""The lock of moto's state, which is not safe to use from several threads.

The gateway holds it for each call, the control paths, the agent and the containers' logs for what they read or change.
"""

import threading

STATE = threading.RLock()
