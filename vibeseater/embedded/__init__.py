"""The real PostgreSQL and Redis of a user who has configured none, shared by all this user's processes.

It owns the embedded servers' folders, locks and sockets, and knows nothing of what is stored in them.

How they are shared: each server has a folder in the home with three locks, which the kernel frees when their holder
dies, however it dies. `users.lock` is held shared by every participant. `keeper.lock` is held by the keeper, a small
process of its own session which starts the server, restarts it when it dies, and stops it once it can have `users.lock`
for itself alone. `alive.lock` is inherited by the server and all its children: while it is held, some of them live.
"""

from vibeseater.embedded.servers import EmbeddedServers, acquire

__all__ = ["EmbeddedServers", "acquire"]
