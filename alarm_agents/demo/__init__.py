"""The demo's own world: a rendered walkway where what is odd, and when, is known exactly."""
