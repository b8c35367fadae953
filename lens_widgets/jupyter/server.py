"""For the Jupyter server: replies that leave at once.

Jupyter Server sends messages over sockets with Nagle's algorithm on. A kernel answers a click with
several small messages, and on Linux all but the first then wait up to 40 ms for the browser to
acknowledge it. ``lens-widgets demo`` starts JupyterLab with this class; to have it in your own:

    jupyter lab --ServerApp.kernel_websocket_connection_class=\
        lens_widgets.jupyter.server.NoDelayConnection
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection


class NoDelayConnection(ZMQChannelsWebsocketConnection):
    """Jupyter Server's own kernel connection, with TCP_NODELAY."""

    def connect(self) -> Any:
        self.websocket_handler.set_nodelay(True)
        return super().connect()
