"""Whether a user may do what is asked: one authorizer after the other, the first that allows decides.

``system:masters`` is never refused, so that no policy can lock an administrator out. A node is judged by what runs on
it, everybody by the RBAC objects.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubette.apiserver.authn import User
from kubette.apiserver.nodeauthz import NodeAuthorizer
from kubette.apiserver.rbac import MASTERS, Attributes, Rule
from kubette.apiserver.rbac import Authorizer as Rbac
from kubette.store import Store


class Authorizer:
    """Every authorizer of one server."""

    def __init__(self, store: Store) -> None:
        self.rbac = Rbac(store)
        self.nodes = NodeAuthorizer(store)

    def allowed(self, user: User, asked: Attributes) -> bool:
        return MASTERS in user.groups or self.nodes.allowed(user, asked) or self.rbac.allowed(user, asked)

    def rules(self, user: User, namespace: str) -> Iterator[Rule]:
        """The RBAC rules that hold for ``user`` cluster-wide and, if given, in ``namespace``."""
        return self.rbac.rules(user, namespace)

    def role(self, namespace: str, name: str) -> list[Rule] | None:
        """The rules of a Role, or of a ClusterRole where ``namespace`` is empty; None where there is none."""
        return self.rbac.role(namespace, name)
