//! The request path of MCP inside Envoy
