//! HTTPS and WebSocket server: the page, the API, health and metrics.
