"""Resource quantities: ``100m``, ``1.5Gi``, ``12e6``. Arithmetic on ``Decimal``, printed as upstream prints.

Source: k8s.io/apimachinery/pkg/api/resource, type Quantity. No number is finer than nano or has more than
18 digits; what is finer is rounded up.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal

from kubette.api.caching import cached_short

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}  # suffix → power of 1024
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX_OF_POWER = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIXES = ["", *_BINARY]
_FORM = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,9})?", re.ASCII).fullmatch
_NANO = Decimal("1e-9")
_MAX = Decimal((1 << 63) - 1)
_EXACT = Context(prec=200)
_MESSAGE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def _split(text: str) -> tuple[Decimal, str]:
    """The value in base units and its suffix; the value is bounded and rounded up to nano."""
    found = _FORM(text) if len(text) <= 100 else None
    if found is None:
        raise ValueError(_MESSAGE)
    sign, digits, suffix = found[1], found[2], found[3] or ""
    number = Decimal(sign + digits)
    if suffix in _BINARY:
        number = _EXACT.multiply(number, Decimal(1024) ** _BINARY[suffix])
    elif suffix[:1] in ("e", "E") and len(suffix) > 1:
        exponent = max(-40, min(int(suffix[1:]), 40))  # beyond that, the bounds below decide
        number = number.scaleb(exponent, _EXACT)
    else:
        number = number.scaleb(_DECIMAL[suffix], _EXACT)
    number = max(-_MAX, min(number, _MAX))
    if number % _NANO:
        number = number.quantize(_NANO, rounding=ROUND_UP, context=_EXACT)
    return number, suffix


@cached_short(4096, 64)
def parse(text: str) -> Decimal:
    """The exact value in base units (cores, bytes). ValueError, with upstream's words, if it is none."""
    return _split(text)[0]


def to_milli(text: str) -> int:
    """Thousandths, rounded up: ``100m`` → 100, ``2`` → 2000 (as Quantity.MilliValue)."""
    return int((parse(text) * 1000).to_integral_value(ROUND_CEILING))


def to_int(text: str) -> int:
    """Whole units, rounded up: ``1Ki`` → 1024, ``100m`` → 1 (as Quantity.Value)."""
    return int(parse(text).to_integral_value(ROUND_CEILING))


def _scaled(number: Decimal) -> tuple[int, int]:
    """The integer mantissa and the largest power of 1000 at which there are no fractional digits."""
    power = -9
    mantissa = int(number.scaleb(9, _EXACT))
    while power < 18 and mantissa % 1000 == 0:
        mantissa //= 1000
        power += 3
    return mantissa, power


@cached_short(4096, 64)
def canonical(text: str) -> str:
    """The form upstream prints: ``0.5`` → ``500m``, ``1024Mi`` → ``1Gi``, ``1500M`` stays.

    ValueError if it is no quantity."""
    number, suffix = _split(text)
    if not number:
        return "0"
    whole = number == number.to_integral_value()
    if suffix in _BINARY and whole and not -1024 < number < 1024:
        mantissa, level = int(number), 0
        while level < len(_BINARY_SUFFIXES) - 1 and mantissa % 1024 == 0:
            mantissa //= 1024
            level += 1
        return f"{mantissa}{_BINARY_SUFFIXES[level]}"
    mantissa, power = _scaled(number)
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return f"{mantissa}e{power}" if power else str(mantissa)
    return f"{mantissa}{_SUFFIX_OF_POWER[power]}"


def binary(number: int) -> str:
    """A number of bytes as upstream prints it: with the largest suffix that leaves no fraction, ``2Mi``."""
    level = 0
    while level < len(_BINARY_SUFFIXES) - 1 and number and number % 1024 == 0:
        number //= 1024
        level += 1
    return f"{number}{_BINARY_SUFFIXES[level]}"
