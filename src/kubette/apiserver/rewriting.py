"""What a proxied server says of its own addresses, told as its client must ask for them: below the proxy's path.

``Location`` headers, and the links in HTML: without it a page behind ``…/services/web/proxy/`` would lead its reader to
paths of the API server. Pure. As upstream: absolute paths are changed, relative ones and other hosts' are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ATTRIBUTES = {
    "a": "href", "applet": "codebase", "area": "href", "audio": "src", "base": "href", "blockquote": "cite",
    "body": "background", "button": "formaction", "command": "icon", "del": "cite", "embed": "src", "form": "action",
    "frame": "longdesc src", "head": "profile", "html": "manifest", "iframe": "longdesc src",
    "img": "longdesc src usemap", "input": "formaction src usemap", "ins": "cite", "link": "href",
    "object": "classid codebase data usemap", "q": "cite", "script": "src", "source": "src", "track": "src",
    "video": "poster src",
}  # fmt: skip
_TAG = re.compile(rb"<([a-zA-Z]+)(\s[^<>]*)>")
_ATTRIBUTE = re.compile(rb"""(\s)([a-zA-Z]+)(\s*=\s*)(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_AUTHORITY = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//([^/?#]*)")
_LONGEST_TAG = 1 << 16


@dataclass(frozen=True, slots=True)
class Rewriting:
    """``prefix``: the path of the proxy, without a slash at its end. ``target``: host and port of the server.
    ``asked``: the client's own ``Host``, which stays."""

    prefix: str
    target: str
    asked: str

    def url(self, url: str) -> str:
        head = ""
        if found := _AUTHORITY.match(url):
            if found[1] not in (self.target, self.asked):
                return url
            head = found[0] if found[1] == self.asked else ""
            url_path = url[found.end() :]
        else:
            url_path = url
        if not url_path.startswith("/"):
            return url
        return head + url_path if url_path.startswith(self.prefix) else head + self.prefix + url_path

    def html(self, text: bytes) -> bytes:
        """Whole tags only; see ``cut``."""
        return _TAG.sub(self._tag, text)

    def _tag(self, tag: re.Match[bytes]) -> bytes:
        names = _ATTRIBUTES.get(tag[1].decode().lower(), "").split()
        return b"<" + tag[1] + _ATTRIBUTE.sub(lambda a: self._attribute(a, names), tag[2]) + b">" if names else tag[0]

    def _attribute(self, found: re.Match[bytes], names: list[str]) -> bytes:
        if found[2].decode().lower() not in names:
            return found[0]
        number = found.lastindex or 6
        quote = {4: b'"', 5: b"'", 6: b""}[number]
        url = self.url(found[number].decode("latin-1").strip()).encode("latin-1")
        return found[1] + found[2] + found[3] + quote + url + quote


def cut(text: bytes) -> int:
    """How much of the text ends outside a tag; the rest waits for more of it."""
    last = text.rfind(b"<")
    whole = last < 0 or b">" in text[last:] or len(text) - last > _LONGEST_TAG
    return len(text) if whole else last
