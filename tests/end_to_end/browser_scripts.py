"""What a browser does on the page of `http2_edge`: scripts, each done with its last argument."""

from __future__ import annotations

# Which protocol each object of the page came by, once all have.
PROTOCOLS = """
const done = arguments[arguments.length - 1];
const found = performance.getEntriesByType("resource").filter(one => one.name.includes("/object/"));
const counted = {};
for (const one of found) counted[one.nextHopProtocol] = (counted[one.nextHopProtocol] || 0) + 1;
done(counted);
"""
CHAT = """
const done = arguments[arguments.length - 1];
const socket = new WebSocket(`wss://${location.host}/chat`);
socket.onerror = () => done("failed");
socket.onopen = () => socket.send("hello");
socket.onmessage = event => { socket.onclose = () => done(event.data); socket.close(); };
"""
SEEK = """
const done = arguments[arguments.length - 1];
const video = document.createElement("video");
video.preload = "metadata";
video.onerror = () => done({error: video.error.code});
video.onloadedmetadata = () => { video.currentTime = arguments[0]; };
video.onseeked = () => done({at: video.currentTime, duration: video.duration});
video.src = "/sound.wav";
"""
