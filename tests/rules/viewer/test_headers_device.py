"""Devices: User-Agents as they are sent, and what holds for each."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from edgecache.rules.viewer.headers import device_of

MOZILLA = "Mozilla/5.0"


@pytest.mark.parametrize(
    ("agent", "holds"),
    [
        ("", "desktop"),
        ("curl/8.5.0", "desktop"),
        ("Amazon CloudFront", "desktop"),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0", "desktop"),
        (f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) Version/17.1 Safari/605.1", "desktop"),
        (f"{MOZILLA} (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0", "desktop"),
        (f"{MOZILLA} (iPhone; CPU iPhone OS 17_1 like Mac OS X) Mobile/15E148 Safari/604.1",
         "mobile ios"),
        (f"{MOZILLA} (iPad; CPU OS 12_2 like Mac OS X) Mobile/15E148 Safari/604.1",
         "mobile tablet ios"),
        (f"{MOZILLA} (Linux; Android 14; Pixel 8) Chrome/120.0 Mobile Safari/537.36",
         "mobile android"),
        (f"{MOZILLA} (Linux; Android 13; SM-X900) Chrome/120.0 Safari/537.36", "tablet android"),
        (f"{MOZILLA} (Android 13; Mobile; rv:121.0) Gecko/121.0 Firefox/121.0", "mobile android"),
        (f"{MOZILLA} (Android 13; Tablet; rv:121.0) Gecko/121.0 Firefox/121.0", "tablet android"),
        (f"{MOZILLA} (Linux; Android 9; KFMAWI) Silk/112.4 like Chrome/112 Safari",
         "tablet android"),
        (f"{MOZILLA} (Windows Phone 10.0; Android 6.0.1; Lumia) Mobile Edge/15", "mobile"),
        ("Opera/9.80 (J2ME/MIDP; Opera Mini/7.1) Presto/2.8", "mobile"),
        (f"{MOZILLA} (SMART-TV; Linux; Tizen 6.0) Version/6.0 TV Safari/537.36", "smart_tv"),
        (f"{MOZILLA} (Linux; Tizen 2.3) AppleWebKit/538.1 TV Safari/538.1", "smart_tv"),
        (f"{MOZILLA} (Linux; Tizen 2.3; SAMSUNG SM-Z130H) Mobile Safari/537.3", "mobile"),
        (f"{MOZILLA} (Web0S; Linux/SmartTV) AppleWebKit/537.36 Chrome/87.0", "smart_tv"),
        (f"{MOZILLA} (Linux; Android 9; AFTMM) Chrome/112 Mobile Safari/537.36",
         "smart_tv android"),
        (f"{MOZILLA} (X11; Linux armv7l) Chrome/90.0 CrKey/1.54", "smart_tv"),
        ("Roku/DVP-11.5 (11.5.0.4312-88)", "smart_tv"),
        ("HbbTV/1.2.1 (;Panasonic;VIERA 2013;3.0;;)", "smart_tv"),
    ],
)  # fmt: skip
def test_device(agent: str, holds: str) -> None:
    found = {name for name, value in asdict(device_of(agent.encode())).items() if value}
    assert found == set(holds.split())
