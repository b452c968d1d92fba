"""``subPath``: a part of a volume, bound to a place that no container can change, which the runtime then mounts.

Containers write to the volume while its path is resolved: everything goes through ``runtime.beneath``. What users are
told names no path of the node, as upstream's words do not.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from kubette.agent.volumes.base import VolumeAt, VolumeError
from kubette.runtime import beneath

log = logging.getLogger(__name__)


def bind(volume: VolumeAt, sub_path: str, target: Path, words: str) -> Path:
    """Bind the volume's ``sub_path`` at ``target``, which is returned. Missing directories are made, with the mode of
    the volume. ``words``: the mount as messages name it."""
    if os.path.isabs(sub_path):
        raise VolumeError(f"error SubPath `{sub_path}` must not be an absolute path")
    if ".." in Path(sub_path).parts:
        raise VolumeError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
    try:
        with beneath.directory(volume.path) as root:
            mode = stat.S_IMODE(os.stat(beneath.path_of(root)).st_mode)
            found = beneath.make_directories(root, sub_path, mode)
            try:
                beneath.bind(found, target)
            finally:
                os.close(found)
    except OSError as error:
        log.warning("subPath %s of %s: %s", sub_path, words, error)
        raise VolumeError(f"failed to prepare subPath for {words}") from error
    return target
