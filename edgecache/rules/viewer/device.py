"""Devices: what kind of device a User-Agent speaks of. A short table, not a catalog of models.

Developer Guide, "Add CloudFront request headers" (viewer device type): of mobile, tablet and
television several may be true; desktop is what is none of them. The words are those of MDN,
"Browser detection using the user agent", and of the makers of televisions (HbbTV, Tizen, webOS,
Roku, Fire TV, Chromecast, Bravia, Viera).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TV = re.compile(
    rb"smart-?tv|google ?tv|apple ?tv|hbbtv|web0s|netcast|roku|crkey|bravia|viera"
    rb"|\baft[a-z]{1,4}\b|android tv",
    re.IGNORECASE,
)
_TIZEN, _TIZEN_TV = re.compile(rb"tizen", re.IGNORECASE), re.compile(rb"\btv\b", re.IGNORECASE)
_TABLET = re.compile(rb"ipad|tablet|playbook|kindle|\bsilk/", re.IGNORECASE)
_MOBILE = re.compile(rb"mobi|iphone|ipod|windows phone|blackberry|opera mini", re.IGNORECASE)
_ANDROID = re.compile(rb"android", re.IGNORECASE)
_IOS = re.compile(rb"iphone|ipad|ipod", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Device:
    """What holds for a device."""

    desktop: bool
    mobile: bool
    tablet: bool
    smart_tv: bool
    android: bool
    ios: bool


def device_of(user_agent: bytes) -> Device:
    """The device a User-Agent tells of; without one (empty) it counts as a desktop."""
    tv = _TV.search(user_agent) is not None or (
        # Tizen is on watches and phones, too. Two searches: one for both would not be linear.
        _TIZEN.search(user_agent) is not None and _TIZEN_TV.search(user_agent) is not None
    )
    mobile = _MOBILE.search(user_agent) is not None
    android = _ANDROID.search(user_agent) is not None and b"Windows Phone" not in user_agent
    # An Android phone says "Mobile", a tablet does not (Chrome, "User-Agent strings").
    tablet = not tv and (_TABLET.search(user_agent) is not None or (android and not mobile))
    return Device(
        desktop=not (mobile or tablet or tv),
        mobile=mobile and not tv,
        tablet=tablet,
        smart_tv=tv,
        android=android,
        ios=_IOS.search(user_agent) is not None and b"Windows Phone" not in user_agent,
    )
