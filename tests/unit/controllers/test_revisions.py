"""ControllerRevisions hold the bytes that upstream's controllers write: its clients compare them."""

from __future__ import annotations

import orjson

from kubette.controllers.revisions import history


def test_the_data_of_a_revision_has_its_keys_in_order() -> None:
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}, "metadata": {"labels": {"b": "1", "a": "2"}}}
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "namespace": "n", "uid": "u"},
             "spec": {"template": template}}  # fmt: skip
    (create,) = history(owner, [], ()).writes
    assert orjson.dumps(create.obj["data"]) == (
        b'{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"2","b":"1"}},'
        b'"spec":{"containers":[{"image":"i","name":"c"}]}}}}'
    )
