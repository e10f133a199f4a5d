"""The demo's own worlds: a rendered walkway and a conveyor where what is odd, and when, is known exactly."""
